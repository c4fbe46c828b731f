"""The set-up: what is whole, what is missing, what is told."""

import ast
import contextlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOOTSTRAP = ROOT / "tools" / "bootstrap"
OLDEST_READER = (3, 6)
"""The oldest Python that is told, and not met with a syntax error."""

posix_only = pytest.mark.skipif(os.name == "nt", reason="uses POSIX scripts and signals")


@pytest.fixture(scope="module")
def setup_modules():
    """The set-up's modules, which find each other as files in one folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BOOTSTRAP))
        names = ("steps", "programs", "environment", "setup_checkout")
        modules = {name: importlib.import_module(name) for name in names}
        yield modules
        for name in names:
            del sys.modules[name]


@pytest.fixture(autouse=True)
def logs(tmp_path, monkeypatch):
    """Failed steps leave their logs here."""
    folder = tmp_path / "logs"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def steps(setup_modules):
    return setup_modules["steps"]


@pytest.fixture
def programs(setup_modules):
    return setup_modules["programs"]


@pytest.fixture
def environment(setup_modules, tmp_path, monkeypatch):
    """The module, with a lock file and a project of its own, and no tools behind it."""
    module = setup_modules["environment"]
    for name, file in (("LOCK", "requirements.lock"), ("PROJECT", "pyproject.toml")):
        path = tmp_path / file
        path.write_text(f"# {name}\n")
        monkeypatch.setattr(module, name, path)
    return module


@pytest.fixture
def called(environment, monkeypatch) -> list[str]:
    """The titles of the steps that were run; each does as if it had succeeded."""
    titles: list[str] = []

    def run(title, command, lock, *, hint):
        titles.append(title)
        if title == "python -m venv":
            python = environment.Environment(folder=Path(command[-1]), only_this_python=False)
            python.python.parent.mkdir(parents=True)
            python.python.touch()

    monkeypatch.setattr(environment, "run_checked_step", run)
    return titles


def make_ready(environment, folder: Path):
    wanted = environment.Environment(folder=folder, only_this_python=False)
    wanted.make(None)
    wanted.install_project(None)
    return wanted


# Python


def test_an_old_python_can_read_that_it_is_too_old():
    source = (BOOTSTRAP / "__main__.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=OLDEST_READER)
    assert "from __future__" not in source


def test_the_supported_versions_are_those_of_the_project():
    source = (BOOTSTRAP / "__main__.py").read_text(encoding="utf-8")
    oldest, newest = (
        tuple(map(int, re.search(rf"^{name} = \((\d+), (\d+)\)", source, re.MULTILINE).groups()))
        for name in ("OLDEST_PYTHON", "NEWEST_PYTHON")
    )
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    below = (newest[0], newest[1] + 1)
    wanted = f'requires-python = ">={oldest[0]}.{oldest[1]},<{below[0]}.{below[1]}"'
    assert wanted in project


@posix_only
@pytest.mark.parametrize("version", [(3, 9, 18), (3, 14, 0)])
def test_a_python_that_is_too_old_or_too_new_is_told_what_to_do(version):
    code = (
        "import sys, runpy; "
        f"sys.version_info = {version}; "
        f"sys.argv = ['bootstrap', '--this-python']; "
        f"runpy.run_path({str(BOOTSTRAP)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "EdgeKit needs Python 3.10 to 3.13" in done.stderr
    assert ".".join(map(str, version)) in done.stderr
    assert "make PYTHON=python3.12" in done.stderr


@posix_only
def test_another_supported_python_on_the_path_takes_over(tmp_path):
    broken = tmp_path / "python3.13"  # as pyenv has for versions that are not active
    broken.write_text("#!/bin/sh\nexit 127\n")
    other = tmp_path / "python3.12"
    other.write_text('#!/bin/sh\n[ "$1" = -c ] || echo "took over: $*"\n')
    for program in (broken, other):
        program.chmod(0o755)
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 2); sys.argv = ['b', '--venv', 'x'];"
        f"runpy.run_path({str(BOOTSTRAP)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    # run_path puts the folder into argv[0], as python does.
    assert done.stdout.split()[:2] == ["took", "over:"]
    assert done.stdout.split()[-2:] == ["--venv", "x"]


# The environment


def test_a_made_environment_is_ready_and_stays_so(environment, called, tmp_path):
    wanted = make_ready(environment, tmp_path / "venv")
    assert wanted.is_ready()
    assert called == [
        "python -m venv",
        "pip install",
        "pip install --editable .",
    ]
    state = json.loads((tmp_path / "venv" / environment.STATE).read_text())
    assert state["state"] == "finished"


def test_an_environment_that_was_cut_short_is_made_anew(environment, called, tmp_path, monkeypatch):
    succeed = environment.run_checked_step

    def interrupted(title, command, lock, *, hint):
        succeed(title, command, lock, hint=hint)
        if title == "pip install":
            (tmp_path / "venv" / "half-a-package").touch()
            raise KeyboardInterrupt

    wanted = environment.Environment(folder=tmp_path / "venv", only_this_python=False)
    monkeypatch.setattr(environment, "run_checked_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wanted.make(None)
    assert not wanted.has_packages()
    assert not wanted.is_ready()
    wanted.check_is_ours()
    monkeypatch.setattr(environment, "run_checked_step", succeed)
    make_ready(environment, tmp_path / "venv")
    assert wanted.is_ready()
    assert not (tmp_path / "venv" / "half-a-package").exists()


def test_a_failed_installation_of_the_project_keeps_the_packages(environment, called, tmp_path):
    wanted = environment.Environment(folder=tmp_path / "venv", only_this_python=False)
    wanted.make(None)
    assert wanted.has_packages()
    assert not wanted.is_ready()


def test_a_new_lock_file_needs_new_packages_a_new_project_only_itself(
    environment, called, tmp_path
):
    wanted = make_ready(environment, tmp_path / "venv")
    environment.PROJECT.write_text("changed\n")
    assert wanted.has_packages()
    assert not wanted.is_ready()
    wanted.install_project(None)
    assert wanted.is_ready()
    environment.LOCK.write_text("changed\n")
    assert not wanted.has_packages()
    assert not wanted.is_ready()


def test_an_environment_that_was_moved_or_lost_its_python_is_not_ready(
    environment, called, tmp_path
):
    wanted = make_ready(environment, tmp_path / "venv")
    shutil.copytree(tmp_path / "venv", tmp_path / "moved")
    moved = environment.Environment(folder=tmp_path / "moved", only_this_python=False)
    assert not moved.has_packages()
    wanted.python.unlink()
    assert not wanted.has_packages()


def test_another_python_will_do_unless_one_is_named(environment, called, tmp_path, monkeypatch):
    make_ready(environment, tmp_path / "venv")
    monkeypatch.setattr(environment, "_version", lambda: "3.99")
    for only_this, ready in ((False, True), (True, False)):
        wanted = environment.Environment(folder=tmp_path / "venv", only_this_python=only_this)
        assert wanted.is_ready() is ready


def test_the_version_that_made_the_environment_is_kept(environment, called, tmp_path, monkeypatch):
    wanted = make_ready(environment, tmp_path / "venv")
    environment.PROJECT.write_text("changed\n")
    made_with = environment._version()
    monkeypatch.setattr(environment, "_version", lambda: "3.99")
    wanted.install_project(None)
    state = json.loads((tmp_path / "venv" / environment.STATE).read_text())
    assert state["python"] == made_with


def test_a_folder_of_someone_else_is_refused_and_left_alone(environment, steps, tmp_path):
    folder = tmp_path / "venv"
    folder.mkdir()
    wanted = environment.Environment(folder=folder, only_this_python=False)
    wanted.check_is_ours()  # an empty one will do
    (folder / "pyvenv.cfg").touch()
    with pytest.raises(steps.SetupError) as caught:
        wanted.check_is_ours()
    assert caught.value.message == f"{folder} was not made by this set-up, so it is not replaced."
    assert "make VENV=" in caught.value.hint
    assert [path.name for path in folder.iterdir()] == ["pyvenv.cfg"]


@pytest.mark.parametrize("content", ["", "[]", "{", "\0"])
def test_a_damaged_state_is_no_state(environment, tmp_path, content):
    folder = tmp_path / "venv"
    folder.mkdir()
    (folder / environment.STATE).write_text(content)
    assert not environment.Environment(folder=folder, only_this_python=False).is_ready()


def test_a_folder_that_can_not_be_written_is_told(environment, steps, tmp_path):
    (tmp_path / "file").touch()
    wanted = environment.Environment(folder=tmp_path / "file" / "venv", only_this_python=False)
    with pytest.raises(steps.SetupError, match="Can't make"):
        wanted.make(None)


# Programs


def fake_program(folder: Path, name: str, script: str = "exit 0") -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


FINDS_ALL = 'echo "/found/${1#-print-file-name=}"'
FINDS_NONE = 'echo "${1#-print-file-name=}"'


def fake_machine(folder: Path, *, compiler: str = FINDS_ALL, without: tuple[str, ...] = ()) -> str:
    for name in ("arm-none-eabi-gcc", "gcc", "g++", "qemu-system-arm"):
        if name not in without:
            fake_program(folder, name, compiler)
    return str(folder)


@posix_only
def test_a_whole_machine_misses_nothing(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", fake_machine(tmp_path / "bin"))
    assert programs.missing() == []


@posix_only
def test_a_compiler_without_its_libraries_is_not_whole(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", fake_machine(tmp_path / "bin", compiler=FINDS_NONE))
    monkeypatch.setattr(sys, "platform", "linux")
    packages = {package for program in programs.missing() for package in program.apt}
    assert packages == {
        "libnewlib-arm-none-eabi",
        "libstdc++-arm-none-eabi-newlib",
        "libc6-dev",
    }


@posix_only
def test_what_is_missing_is_named_with_its_package(programs, tmp_path, monkeypatch):
    path = fake_machine(tmp_path / "bin", without=("qemu-system-arm", "g++"))
    monkeypatch.setenv("PATH", path)
    assert {program.name: program.apt for program in programs.missing()} == {
        "qemu-system-arm": ("qemu-system-arm",),
        "g++": ("g++",),
    }


@posix_only
@pytest.mark.parametrize(
    ("manager", "advice"),
    [
        ("brew", "brew install"),
        ("dnf", "sudo dnf install"),
        ("pacman", "sudo pacman -S"),
        ("winget", "winget install"),
        ("choco", "choco install"),
        (None, "QEMU's qemu-system-arm; put them on PATH"),
    ],
)
def test_without_apt_the_way_is_told(programs, steps, tmp_path, monkeypatch, manager, advice):
    path = fake_machine(tmp_path / "bin", without=("qemu-system-arm",))
    if manager:
        fake_program(tmp_path / "bin", manager)
    monkeypatch.setenv("PATH", path)
    with pytest.raises(steps.SetupError) as caught:
        programs.install(programs.missing(), None)
    assert caught.value.message == "Not installed: qemu-system-arm."
    assert advice in caught.value.hint
    assert caught.value.hint.endswith("Then run the same command again.")


@posix_only
def test_apt_is_called_without_questions_and_a_failing_update_is_survived(
    programs, tmp_path, monkeypatch, capfd
):
    path = fake_machine(tmp_path / "bin", without=("qemu-system-arm",))
    said = tmp_path / "apt said"
    fake_program(
        tmp_path / "bin",
        "apt-get",
        f'echo "$DEBIAN_FRONTEND: $*" >> "{said}"\n'
        'case "$*" in *update) exit 100;; esac\n'
        f'printf "#!/bin/sh\\n" > "{path}/qemu-system-arm"\n'
        f'/bin/chmod +x "{path}/qemu-system-arm"',
    )
    fake_program(tmp_path / "bin", "dpkg")
    monkeypatch.setenv("PATH", f"{path}:{tmp_path / 'essential'}")
    (tmp_path / "essential").mkdir()
    (tmp_path / "essential" / "env").symlink_to("/usr/bin/env")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs.install(programs.missing(), None)
    update, install = said.read_text().splitlines()
    assert update.endswith(" update")
    assert install.startswith("noninteractive: -o")
    assert install.endswith("install -y --no-install-recommends qemu-system-arm")
    assert programs.missing() == []


@posix_only
@pytest.mark.parametrize("sudo", [None, "exit 1"], ids=["no sudo", "sudo refuses"])
def test_without_rights_the_command_for_root_is_told(programs, steps, tmp_path, monkeypatch, sudo):
    path = fake_machine(tmp_path / "bin", without=("qemu-system-arm",))
    fake_program(tmp_path / "bin", "apt-get", "exit 1")
    if sudo:
        fake_program(tmp_path / "bin", "sudo", sudo)
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(steps.SetupError) as caught:
        programs.install(programs.missing(), None)
    assert "apt-get install -y --no-install-recommends qemu-system-arm" in caught.value.hint


# Steps


def test_a_failed_step_tells_its_last_lines_and_keeps_the_rest(steps, capfd):
    code = "print('Ignoring x: markers'); [print('line', n) for n in range(40)]; exit(3)"
    failed = steps.run_step("a tool", [sys.executable, "-c", code], None)
    lines = failed.splitlines()
    assert lines[-2].strip() == "line 39"
    assert len(lines) == 16
    log = Path(re.search(r"all of its output: (.+)\)", lines[-1]).group(1))
    assert log.read_text().startswith("Ignoring x")
    assert "a tool: failed after" in capfd.readouterr().err


def test_a_step_that_succeeds_leaves_nothing(steps, logs, capfd):
    assert steps.run_step("a tool", [sys.executable, "-c", "print('fine')"], None) == ""
    assert list(logs.iterdir()) == []
    assert capfd.readouterr().out == ""


def test_settings_that_would_send_packages_elsewhere_are_dropped(steps, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    seen = tmp_path / "seen"
    code = f"import json, os; open({str(seen)!r}, 'w').write(json.dumps(dict(os.environ)))"
    assert steps.run_step("a tool", [sys.executable, "-c", code], None) == ""
    environment = json.loads(seen.read_text())
    assert environment["PIP_FIND_LINKS"] == "/wheels"
    assert not {"PIP_TARGET", "PYTHONPATH"} & set(environment)


@posix_only
def test_a_tool_that_outlives_a_killed_setup_keeps_the_next_one_waiting(
    tmp_path, logs, monkeypatch
):
    """Both would write into the same folder."""
    monkeypatch.setenv("TMPDIR", str(logs))
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import steps\n"
        "with steps.only_one_at_a_time() as lock:\n"
        "    steps.run_step('a tool', [sys.executable, '-c', sys.argv[2]], lock)\n"
    )
    copy = shutil.copytree(BOOTSTRAP, tmp_path / "bootstrap")  # the lock is this folder's own
    pid = tmp_path / "pid"
    tool = (
        f"import os, pathlib, time; new = pathlib.Path({str(pid)!r} + '.new');"
        f"new.write_text(str(os.getpid())); new.replace({str(pid)!r}); time.sleep(60)"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(copy), tool], stderr=subprocess.DEVNULL
    )
    tool_pid = None
    second = None
    try:
        until = time.monotonic() + 20
        while not pid.exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        tool_pid = int(pid.read_text())
        first.kill()
        first.wait()
        second = subprocess.Popen(
            [sys.executable, "-c", code, str(copy), "pass"], stderr=subprocess.PIPE, text=True
        )
        assert second.stderr is not None
        assert "waiting for its end" in second.stderr.readline()
        os.kill(tool_pid, signal.SIGKILL)
        tool_pid = None
        _, said = second.communicate(timeout=20)
        assert "a tool: done" in said
        assert second.returncode == 0
    finally:
        if tool_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(tool_pid, signal.SIGKILL)
        for process in (first, second):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        if second is not None and second.stderr is not None:
            second.stderr.close()


# The lock file


def test_the_lock_file_pins_every_version_with_hashes_and_no_index():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    blocks = re.split(r"^(?=[a-z])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE), flags=re.M)
    pins = [block for block in blocks if block.strip()]
    assert len(pins) > 50
    for pin in pins:
        assert re.match(r"[a-z0-9-]+==[0-9][\w.]* (;[^\\]+)?\\\n", pin), pin.splitlines()[0]
        assert "--hash=sha256:" in pin, pin.splitlines()[0]


def test_no_version_in_the_lock_file_is_a_preview_but_tflite_micros():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE)
    previews = {name for name, version in pins if re.search(r"\d(a|b|rc)\d|dev", version)}
    assert previews == {"tflite-micro"}  # which has nothing else
    (markers,) = re.findall(r"^tflite-micro==\S+ ; (.+) \\$", text, re.MULTILINE)
    assert markers == "platform_machine == 'x86_64' and sys_platform == 'linux'"
