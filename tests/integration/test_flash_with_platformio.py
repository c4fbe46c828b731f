"""Flashing through PlatformIO itself; the programmer at the end is a script."""

from __future__ import annotations

import shutil
import sys

import pytest
from builders import SOURCE, make_target

from edgekit.device.flash import flash
from edgekit.errors import BuildError, DeviceError, DeviceTimeoutError
from edgekit.targets import Platform

BOARD = make_target(
    name="board",
    platform=Platform(name="host", board="host", is_local=True, source=SOURCE),
)

_INI = """[env:board]
platform = host
board = host
extra_scripts = upload.py
"""

_UPLOAD = """
Import("env")
env.Replace(UPLOADCMD='"$PYTHONEXE" "$PROJECT_DIR/programmer.py" "$SOURCE" "$UPLOAD_PORT"')
env.AddPlatformTarget(
    "upload",
    "$BUILD_DIR/${PROGNAME}${PROGSUFFIX}",
    [
        env.VerboseAction(env.AutodetectUploadPort, "Looking for upload port..."),
        env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE"),
    ],
    "Upload",
)
"""

_NO_PORTS = """
import platformio.device.finder
platformio.device.finder.list_serial_ports = lambda *arguments, **options: []
"""


@pytest.fixture
def project(tmp_path, monkeypatch, child_environment):
    """Return a project that builds for this computer and 'uploads' with programmer.py."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    monkeypatch.setenv("EDGEKIT_CACHE_DIR", child_environment["EDGEKIT_CACHE_DIR"])
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "platformio.ini").write_text(_INI)
    (tmp_path / "upload.py").write_text(_UPLOAD)
    (tmp_path / "programmer.py").write_text("import sys; print('wrote to', sys.argv[2])\n")
    return tmp_path


def test_the_programmer_gets_the_firmware_and_the_port(project):
    lines = []
    flash(project, BOARD, port="COM3", on_line=lines.append)
    assert "wrote to COM3" in lines


def test_a_programmer_without_permission_says_what_to_do(project):
    (project / "programmer.py").write_text(
        "import sys; sys.exit('could not open port: [Errno 13] Permission denied')"
    )
    with pytest.raises(DeviceError) as caught:
        flash(project, BOARD, port="COM3")
    assert "no permission to use the port" in caught.value.message
    assert "[Errno 13]" in caught.value.message
    assert "dialout" in caught.value.hint
    assert caught.value.exit_code == 7


def test_no_board_is_named_in_platformios_own_words(project):
    script = project / "upload.py"
    script.write_text(_NO_PORTS + script.read_text())
    with pytest.raises(DeviceError) as caught:
        flash(project, BOARD)
    assert "there is no board to flash" in caught.value.message
    assert "--port" in caught.value.hint


def test_firmware_that_does_not_compile_is_a_build_error(project):
    (project / "src" / "main.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(BuildError) as caught:
        flash(project, BOARD, port="COM3")
    assert "Compiling for board failed" in caught.value.message
    assert "nothing" in caught.value.message
    assert caught.value.exit_code == 6


@pytest.mark.skipif(sys.platform == "win32", reason="the programmer hangs in a shell there")
def test_a_hanging_programmer_is_ended(project):
    (project / "programmer.py").write_text("import time; time.sleep(600)")
    with pytest.raises(DeviceTimeoutError) as caught:
        flash(project, BOARD, port="COM3", timeout_seconds=8)
    assert "did not end within 8 s" in caught.value.message
    assert "flash.log" in caught.value.hint
