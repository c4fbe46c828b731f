"""Programs end when they should, with everything that they started."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgekit import process
from edgekit.errors import MissingToolError

posix_only = pytest.mark.skipif(os.name == "nt", reason="signals and process groups are POSIX's")
linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's"
)

FAMILY = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", {grandchild!r}])
print(grandchild.pid, flush=True)
{then}
"""
"""A program that starts another one, prints its process id, and does what ``then`` says."""

SLEEP = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def family(grandchild: str = SLEEP, then: str = "time.sleep(60)") -> list[str]:
    return python(FAMILY.format(grandchild=grandchild, then=then))


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie (one whose new parent has not looked yet)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return True


def wait_for(condition, what: str, timeout_seconds: float = 10) -> None:
    until = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < until, f"waited {timeout_seconds} s in vain for: {what}"
        time.sleep(0.01)


def printed_pid(log: Path) -> int:
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"), "the grandchild's id")
    return int(log.read_text().split()[0])


def assert_gone(pid: int) -> None:
    """``process.end`` returns when everything is gone: there is nothing to wait for."""
    assert not is_running(pid)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "tool.log"


# A program that ends by itself


def test_output_and_errors_go_merged_and_in_order_to_the_log(log):
    code = "import sys; print('one'); sys.stdout.flush(); print('two', file=sys.stderr)"
    done = process.run(python(code), log=log, timeout_seconds=30)
    assert done.returncode == 0
    assert done.output.splitlines() == ["one", "two"]
    assert log.read_bytes().replace(b"\r", b"") == b"one\ntwo\n"
    assert 0 < done.seconds < 30


def test_the_log_of_an_earlier_run_is_replaced(log):
    log.write_text("of yesterday\n" * 100)
    done = process.run(python("print('today')"), log=log, timeout_seconds=30)
    assert done.output.split() == ["today"]


def test_an_exit_code_is_handed_back_not_raised(log):
    assert process.run(python("raise SystemExit(7)"), log=log, timeout_seconds=30).returncode == 7


@posix_only
def test_a_signal_is_a_negative_exit_code(log):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    done = process.run(python(code), log=log, timeout_seconds=30)
    assert done.returncode == -signal.SIGSEGV


def test_output_that_is_no_utf8_is_kept_readable(log):
    code = "import sys; sys.stdout.buffer.write(b'caf\\xe9 \\xff\\n')"
    seen: list[str] = []
    done = process.run(python(code), log=log, timeout_seconds=30, on_line=seen.append)
    assert done.output.startswith("caf\ufffd")
    assert seen == ["caf\ufffd \ufffd"]


def test_standard_input_is_empty_so_that_no_program_waits_for_a_person(log):
    done = process.run(python("print(repr(input()))"), log=log, timeout_seconds=30)
    assert done.returncode == 1
    assert "EOFError" in done.output


def test_working_folder_and_environment_are_the_given_ones(log, tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    environment = {**os.environ, "EDGEKIT_TEST": "ünï code"}
    code = "import os; print(os.getcwd()); print(ascii(os.environ['EDGEKIT_TEST']))"
    done = process.run(python(code), log=log, timeout_seconds=30, cwd=folder, env=environment)
    where, what = done.output.splitlines()
    assert Path(where).samefile(folder)
    assert what == ascii("ünï code")


def test_a_program_is_found_on_the_path_of_the_given_environment(log, tmp_path):
    if os.name == "nt":
        pytest.skip("scripts are started otherwise on Windows")
    tool = tmp_path / "edgekit-test-tool"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"}
    done = process.run([tool.name], log=log, timeout_seconds=30, env=environment)
    assert done.output == "found\n"
    relative = process.run([f"./{tool.name}"], log=log, timeout_seconds=30, cwd=tmp_path)
    assert relative.output == "found\n"


def test_arguments_reach_the_program_untouched_by_any_shell(log):
    given = ["a b", "$HOME", "*", "'\"", "--", "-x", ""]
    done = process.run(
        [*python("import sys; print(ascii(sys.argv[1:]))"), *given], log=log, timeout_seconds=30
    )
    assert done.output.strip() == ascii(given)


# Progress


def test_on_line_gets_every_line_once_also_an_unfinished_last_one(log):
    seen: list[str] = []
    code = "print('first'); print(); print('x' * 100_000); print('last', end='')"
    process.run(python(code), log=log, timeout_seconds=30, on_line=seen.append)
    assert seen == ["first", "", "x" * 100_000, "last"]


def test_on_line_gets_lines_while_the_program_runs(log, tmp_path):
    answer = tmp_path / "seen"
    code = (
        "import pathlib, sys, time\n"
        "print('ready')\n"
        f"answer = pathlib.Path({str(answer)!r})\n"
        "until = time.monotonic() + 20\n"
        "while not answer.exists():\n"
        "    time.sleep(0.01)\n"
        "    assert time.monotonic() < until\n"
    )
    done = process.run(python(code), log=log, timeout_seconds=30, on_line=lambda _: answer.touch())
    assert done.returncode == 0, done.output


@posix_only
def test_an_error_in_on_line_ends_the_program_and_goes_on(log):
    class SurpriseError(Exception):
        pass

    def fail(line: str) -> None:
        raise SurpriseError(line)

    with pytest.raises(SurpriseError) as caught:
        process.run(family(), log=log, timeout_seconds=30, on_line=fail)
    assert_gone(int(str(caught.value)))


def test_tail_gives_the_last_lines_that_say_something():
    done = process.Completed(returncode=1, output="a\n\nb\n  \nc\n\n", seconds=0.0)
    assert done.tail(2) == "b\nc"
    assert done.tail() == "a\nb\nc"


# A program that does not end by itself


@posix_only
def test_a_timeout_ends_the_program_and_what_it_started(log):
    began = time.monotonic()
    with pytest.raises(process.ProcessTimeoutError) as caught:
        process.run(family(), log=log, timeout_seconds=3)
    assert time.monotonic() - began < 12
    assert caught.value.message == f"{Path(sys.executable).name} did not end within 3 s."
    assert caught.value.hint == f"Its output is in {log}."
    assert caught.value.output == log.read_text()
    assert_gone(int(log.read_text()))


@posix_only
def test_a_timeout_ends_also_what_ignores_being_asked(log):
    stubborn = f"exec({STUBBORN!r})"
    with pytest.raises(process.ProcessTimeoutError):
        process.run(family(grandchild=STUBBORN, then=stubborn), log=log, timeout_seconds=3)
    assert_gone(int(log.read_text()))


@posix_only
def test_a_program_is_asked_before_it_is_killed_so_that_it_can_clean_up(log, tmp_path):
    witness = tmp_path / "cleaned up"
    code = (
        "import pathlib, signal, sys, time\n"
        "def clean(*_):\n"
        f"    pathlib.Path({str(witness)!r}).touch()\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, clean)\n"
        "print('ready')\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(process.ProcessTimeoutError):
        process.run(python(code), log=log, timeout_seconds=3)
    assert log.read_text() == "ready\n"
    assert witness.exists()


@posix_only
def test_what_a_program_leaves_behind_is_ended_with_it(log):
    done = process.run(family(then=""), log=log, timeout_seconds=30)
    assert done.returncode == 0
    assert done.seconds < 20
    assert_gone(int(done.output))


@posix_only
def test_ctrl_c_ends_the_program_and_what_it_started_and_goes_on(log):
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        signal.raise_signal(signal.SIGINT)  # as the terminal does, at once and in this thread

    with pytest.raises(KeyboardInterrupt):
        process.run(family(), log=log, timeout_seconds=30, on_line=interrupt)
    assert_gone(pids[0])


@posix_only
def test_a_second_ctrl_c_in_the_grace_time_kills_at_once(log):
    with log.open("wb") as sink:
        child = process.start(python(f"print('ready'); {STUBBORN}"), stdout=sink)
    wait_for(lambda: log.read_text() == "ready\n", "the program's start")
    time.sleep(0.2)  # the program's next statement ignores SIGTERM

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            process.end(child)
        assert time.monotonic() - began < 1.5, "the grace time is 2 s"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert child.returncode == -signal.SIGKILL
    assert not is_running(child.pid)


@posix_only
def test_ending_twice_is_harmless_and_closes_the_pipes():
    child = process.start(python(SLEEP), stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    process.end(child)
    process.end(child)
    assert child.returncode == -signal.SIGTERM
    assert child.stdout is not None
    assert child.stdout.closed
    assert child.stdin is not None
    assert child.stdin.closed


@linux_only
@pytest.mark.skipif(not process._ended_with_parent(), reason="util-linux's setpriv is missing")
def test_a_program_ends_when_edgekit_is_killed_outright(log, tmp_path):
    pid_file = tmp_path / "pid"
    code = (
        "import pathlib, sys, time\n"
        "from edgekit import process\n"
        f"child = process.start([sys.executable, '-c', {SLEEP!r}])\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(f'{{child.pid}}\\n')\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(python(code), cwd=Path(process.__file__).parents[1])
    try:
        pid = printed_pid(pid_file)
        wait_for(lambda: b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes(), "the program")
        time.sleep(0.2)
        assert is_running(pid)
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not is_running(pid), "the program's end", 5)


@posix_only
def test_a_program_has_its_own_process_id_and_group(log):
    with log.open("wb") as sink:
        child = process.start(
            python("import os; print(os.getpid(), os.getpgrp(), os.getsid(0))"), stdout=sink
        )
    try:
        child.wait(30)
        assert log.read_text().split() == [str(child.pid)] * 3
    finally:
        process.end(child)


def test_programs_start_beside_other_threads_without_a_warning(log):
    """A ``preexec_fn`` warns here since Python 3.12; warnings are errors in these tests."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, daemon=True)
    thread.start()
    try:
        assert process.run(python("pass"), log=log, timeout_seconds=30).returncode == 0
    finally:
        stop.set()
        thread.join()


@posix_only
def test_only_the_given_file_descriptors_are_inherited(log):
    kept, given_away = os.pipe()
    os.set_inheritable(kept, True)
    code = (
        "import os\n"
        f"os.fstat({given_away}); print('passed')\n"
        "try:\n"
        f"    os.fstat({kept}); print('leaked')\n"
        "except OSError:\n"
        "    print('closed')\n"
    )
    try:
        with log.open("wb") as sink:
            child = process.start(python(code), stdout=sink, pass_fds=(given_away,))
        try:
            child.wait(30)
        finally:
            process.end(child)
        assert log.read_text().split() == ["passed", "closed"]
    finally:
        os.close(kept)
        os.close(given_away)


# A program that can't be started


@pytest.mark.parametrize("name", ["no-such-program-here", "./no-such-program-here"])
def test_a_missing_program_is_named_with_the_way_to_get_it(log, name):
    with pytest.raises(MissingToolError) as caught:
        process.run([name], log=log, timeout_seconds=30)
    assert caught.value.exit_code == 4
    assert caught.value.message == f"Can't start {name!r}: there is no such program."
    assert "edgekit doctor" in caught.value.hint


@posix_only
def test_a_file_that_is_not_executable_is_no_program(log, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("no program")
    plain.chmod(0o644)
    with pytest.raises(MissingToolError):
        process.run([plain], log=log, timeout_seconds=30)
    with pytest.raises(MissingToolError):
        process.run([tmp_path], log=log, timeout_seconds=30)


def test_a_missing_working_folder_is_not_taken_for_a_missing_program(log, tmp_path):
    with pytest.raises(FileNotFoundError):
        process.run(python("pass"), log=log, timeout_seconds=30, cwd=tmp_path / "nowhere")


def test_find_program_gives_the_path_or_the_hint():
    name = "python3" if os.name != "nt" else "cmd"
    assert process.find_program(name, hint="").is_absolute()
    with pytest.raises(MissingToolError) as caught:
        process.find_program("no-such-program-here", hint="Install it with care.")
    assert caught.value.message == "The program 'no-such-program-here' is not installed."
    assert caught.value.hint == "Install it with care."
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("returncode", "words"),
    [(0, "exit code 0"), (3, "exit code 3"), (-11, "signal SIGSEGV"), (-1000, "signal 1000")],
)
def test_exit_codes_in_words(returncode, words):
    if returncode == -11 and os.name == "nt":
        pytest.skip("no such signal on Windows")
    assert process.describe_exit(returncode) == words
