"""The command line's frame: verbs, errors, exit codes, JSON."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
import time

import pytest

from edgekit import errors
from edgekit.cli import main as cli
from edgekit.cli.main import main


def run(capsys, *arguments):
    """Run the command line here; return exit code, standard output, standard error."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_lists_every_verb_without_importing_one(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for verb in cli._VERBS:
        assert verb in out


@pytest.mark.parametrize("verb", list(cli._VERBS))
def test_every_verb_has_a_module_and_a_help_text(capsys, verb):
    module = importlib.import_module(f"edgekit.cli.{verb}")
    assert module.command.name == verb
    code, out, _ = run(capsys, verb, "--help")
    assert code == 0
    assert "Usage: edgekit" in out


def test_unknown_verb_offers_the_nearest(capsys):
    code, _, err = run(capsys, "chek")
    assert code == 2
    assert "No such command 'chek'" in err
    assert "Did you mean 'check'?" in err


def test_missing_argument_is_bad_input_with_the_verbs_own_help_as_hint(capsys):
    code, _, err = run(capsys, "check")
    assert code == 2
    assert "Missing argument 'MODEL'" in err
    assert "edgekit check --help" in err


def test_unknown_target_offers_the_nearest_names(capsys, tmp_path):
    code, _, err = run(capsys, "check", tmp_path / "m.tflite", "--target", "nano33bel")
    assert code == errors.TargetError.exit_code == 2
    assert "Unknown target 'nano33bel'" in err
    assert "Did you mean 'nano33ble'" in err


def test_error_as_json_has_message_hint_and_exit_code(capsys):
    code, out, err = run(capsys, "targets", "show", "esp23", "--json")
    document = json.loads(out)
    assert document["kind"] == "error"
    assert document["schema_version"] == 1
    assert document["exit_code"] == code == 2
    assert "esp32" in document["hint"]
    assert err == ""


def test_a_bug_keeps_its_traceback(monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(cli.edgekit_command, "main", broken)
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


def test_interrupt_ends_with_130(monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.edgekit_command, "main", interrupted)
    assert main(["doctor"]) == 130
    assert "Interrupted" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_sigterm_ends_with_143_and_runs_the_cleanup(tmp_path):
    script = tmp_path / "waits.py"
    script.write_text(
        "import sys, time, pathlib\n"
        "from edgekit.cli import main as cli\n"
        "def wait(*a, **k):\n"
        "    try:\n"
        "        print('up', flush=True); time.sleep(60)\n"
        "    finally:\n"
        "        pathlib.Path(sys.argv[1]).write_text('cleaned')\n"
        "cli.edgekit_command.main = wait\n"
        "sys.exit(cli.main(['doctor']))\n"
    )
    flag = tmp_path / "flag"
    with subprocess.Popen([sys.executable, script, flag], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"up\n"
        time.sleep(0.1)
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 143
    assert flag.read_text() == "cleaned"


def test_targets_list_and_show_as_json(capsys):
    code, out, _ = run(capsys, "targets", "list", "--json")
    assert code == 0
    names = [target["name"] for target in json.loads(out)["targets"]]
    assert "nano33ble" in names
    code, out, _ = run(capsys, "targets", "show", names[0], "--json")
    assert code == 0
    assert json.loads(out)["target"]["name"] == names[0]


def test_targets_show_names_a_source_for_each_part(capsys):
    code, out, _ = run(capsys, "targets", "show", "nano33ble")
    assert code == 0
    assert out.count("source") >= 5


def test_doctor_finds_this_python(capsys):
    code, out, _ = run(capsys, "doctor", "--json")
    assert code == 0
    findings = {finding["name"]: finding for finding in json.loads(out)["findings"]}
    assert findings["Python"]["found"]
    assert findings["numpy"]["is_missing"] is False


def test_quiet_prints_nothing(capsys):
    assert run(capsys, "targets", "list", "--quiet") == (0, "", "")
