"""The child process: progress, results, errors, crashes and time limits."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import edgekit
from edgekit.errors import CalibrationError, ConversionError, MissingToolError
from edgekit.model import jobs, worker
from edgekit.model.jobs import child_environment, job_folder, parse_progress, run_job


@pytest.fixture
def fake_job(tmp_path, monkeypatch):
    """Return a function that makes the child run some lines of Python as its job."""

    def install(body: str) -> None:
        modules = tmp_path / "modules"
        modules.mkdir(exist_ok=True)
        indented = "\n".join("    " + line for line in body.splitlines())
        (modules / "fake_job.py").write_text(
            "import os, signal, sys, time\n"
            "from edgekit.errors import *\n"
            "from edgekit.model.worker import report\n"
            f"def job(job, folder):\n{indented}\n"
        )
        # "-m edgekit.model.worker" has its own table of jobs: this start has ours.
        (modules / "start.py").write_text(
            "import sys, edgekit.model.worker as w\n"
            "w.JOBS = {'fake': ('fake_job', 'job')}\n"
            "sys.exit(w.main(sys.argv[1:]))\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(modules))
        real = jobs.process.run

        def run(command, **options):
            return real([sys.executable, modules / "start.py", command[-1]], **options)

        monkeypatch.setattr(jobs.process, "run", run)

    return install


def run(folder: Path, **options):
    return run_job("fake", {"number": 7}, folder, **{"timeout_seconds": 20, **options})


def test_a_result_comes_back_and_progress_on_the_way(fake_job, tmp_path):
    fake_job(
        "report('loading', 'Loading it')\n"
        "os.write(1, b'noise without an end')\n"
        "report('converting', 'Converting')\n"
        "report('quiet')\n"
        "return {'twice': 2 * job['number']}"
    )
    told: list[str] = []
    outcome = run(tmp_path, on_progress=told.append)
    assert outcome.result == {"twice": 14}
    assert told == ["Loading it", "Converting"]
    assert outcome.stage == "quiet"
    assert "noise without an end" in outcome.output


def test_an_expected_error_comes_back_as_itself(fake_job, tmp_path):
    fake_job("raise CalibrationError('bad data', hint='mend it')")
    with pytest.raises(CalibrationError) as caught:
        run(tmp_path)
    assert (caught.value.message, caught.value.hint) == ("bad data", "mend it")
    assert caught.value.exit_code == 2


def test_an_unexpected_error_leaves_its_traceback_in_the_log(fake_job, tmp_path):
    fake_job("report('loading')\nraise ValueError('what?')")
    outcome = run(tmp_path)
    assert outcome.result is None
    assert outcome.stage == "loading"
    assert outcome.how_it_ended() == "exit code 1"
    assert outcome.last_lines(1) == "ValueError: what?"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_crash_is_named(fake_job, tmp_path, name):
    fake_job(f"report('calibrating')\nos.kill(os.getpid(), signal.{name})\ntime.sleep(9)")
    outcome = run(tmp_path)
    assert outcome.result is None
    assert outcome.how_it_ended() == f"signal {name}"
    assert outcome.stage == "calibrating"


def test_a_result_before_a_crash_does_not_count(fake_job, tmp_path):
    (tmp_path / jobs.RESULT_FILE).write_text("{}")
    fake_job("os._exit(3)")
    outcome = run(tmp_path)
    assert outcome.result is None
    assert outcome.how_it_ended() == "exit code 3"


def test_the_time_limit(fake_job, tmp_path):
    fake_job("report('waiting')\ntime.sleep(60)")
    outcome = run(tmp_path, timeout_seconds=2)
    assert outcome.timed_out
    assert outcome.result is None
    assert outcome.stage == "waiting"
    assert outcome.how_it_ended() == "the time limit"


def test_the_log_is_kept_where_asked(fake_job, tmp_path):
    fake_job("print('hello from the child')\nreturn {}")
    (tmp_path / "job").mkdir()
    run(tmp_path / "job", log=tmp_path / "kept.log")
    assert "hello from the child" in (tmp_path / "kept.log").read_text()


def test_an_interrupt_while_the_child_works_ends_it(fake_job, tmp_path):
    fake_job("(folder / 'pid').write_text(str(os.getpid()))\nreport('x', 'now')\ntime.sleep(60)")

    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, on_progress=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_job_folder_is_gone_afterwards():
    with pytest.raises(KeyboardInterrupt), job_folder() as folder:
        (folder / "half.tflite").write_bytes(b"half")
        raise KeyboardInterrupt
    assert not folder.exists()


@pytest.mark.parametrize(
    "line",
    ["", "noise", "@edgekit", "@edgekit {", '@edgekit {"stage": "x"}', "@edgekit []", "@edgekit 3"],
)
def test_other_lines_are_not_progress(line):
    assert parse_progress(line) is None


def test_a_progress_line():
    line = "@edgekit " + json.dumps({"stage": "a", "text": "b"})
    assert parse_progress(line) == ("a", "b")


def test_the_childs_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["here", "", str(tmp_path)]))
    environment = child_environment()
    assert "PYTHONWARNINGS" not in environment
    assert "TF_USE_LEGACY_KERAS" not in environment
    assert environment["KERAS_BACKEND"] == "tensorflow"
    package_parent = str(Path(edgekit.__file__).resolve().parent.parent)
    assert environment["PYTHONPATH"].split(os.pathsep) == [
        package_parent,
        str(Path("here").resolve()),
        str(tmp_path.resolve()),
    ]


def test_every_job_exists():
    for module, function in worker.JOBS.values():
        assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_an_error_class_survives_the_way_through_a_file(tmp_path, monkeypatch):
    for kind in (ConversionError, MissingToolError):

        def fail(job, folder, kind=kind):
            raise kind("m", hint="h")

        monkeypatch.setattr(worker, "JOBS", {"x": ("types_of_this_test", "fail")})
        monkeypatch.setattr(
            worker.importlib, "import_module", lambda name, fail=fail: _Holder(fail)
        )
        (tmp_path / jobs.JOB_FILE).write_text('{"kind": "x"}')
        assert worker.main([str(tmp_path)]) == kind.exit_code
        told = json.loads((tmp_path / jobs.ERROR_FILE).read_text())
        assert told == {"class": kind.__name__, "message": "m", "hint": "h"}


class _Holder:
    def __init__(self, fail):
        self.fail = fail
