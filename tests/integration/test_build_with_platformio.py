"""Real builds: PlatformIO, the compilers, the linker, and what comes of their failures."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from build_projects import speaking_project, tiny_project, write_sources
from builders import make_target

from edgekit.build.platformio import Firmware, build
from edgekit.build.sizes import read_sizes
from edgekit.errors import BuildError, MissingToolError, OutputError
from edgekit.targets import Platform, load_target, target_names

pytestmark = pytest.mark.emulator

HOST = load_target("host")
EMULATED = [
    name
    for name in target_names()
    if (emulator := load_target(name).emulator) is not None and emulator.kind == "qemu"
]
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def cache(monkeypatch, child_environment):
    monkeypatch.setenv("EDGEKIT_CACHE_DIR", child_environment["EDGEKIT_CACHE_DIR"])


@pytest.fixture
def board():
    return load_target(EMULATED[0])


def programs(folder: Path) -> list[Path]:
    return list(folder.rglob("firmware.elf"))


def pretend_built(folder: Path) -> None:
    """Leave what an earlier build would have left."""
    for place in (folder / "build", folder / ".pio" / "build" / "host"):
        place.mkdir(parents=True)
        (place / "firmware.elf").write_bytes(b"of before")


def section_sizes(elf: Path) -> dict[str, int]:
    listing = subprocess.run(
        ["arm-none-eabi-size", "-A", "-d", elf], capture_output=True, text=True, check=True
    ).stdout
    return {
        name: int(size)
        for name, size in re.findall(r"^(\S+)\s+(\d+)\s+\d+$", listing, re.MULTILINE)
    }


@pytest.mark.parametrize("name", [*EMULATED, "host"])
def test_a_project_builds_without_warnings_and_its_sizes_are_the_linkers(tmp_path, name):
    folder = speaking_project(tmp_path / "a project é" / name, load_target(name))
    lines: list[str] = []
    firmware = build(folder, load_target(name), on_line=lines.append)
    assert firmware.elf == folder / "build" / "firmware.elf"
    assert (folder / "build" / "firmware.map").is_file()
    output = firmware.log.read_text("utf-8")
    assert "warning" not in output.lower()
    assert any(line.startswith("Linking") for line in lines)
    assert firmware.sizes is not None
    assert firmware.sizes.symbols == {"edgekit_arena": 1000, "edgekit_input_buffer": 64}
    if name == "host":
        check_host_program(firmware)
    else:
        check_sections(firmware)


def check_sections(firmware: Firmware) -> None:
    """Compare with binutils, and with the load image as the program headers have it."""
    assert firmware.sizes is not None
    sizes = section_sizes(firmware.elf)
    in_flash = (".text", ".ARM.extab", ".ARM.exidx", ".init_arrays", ".data")
    assert firmware.sizes.flash_bytes == sum(sizes.get(name, 0) for name in in_flash)
    assert firmware.sizes.sram_bytes == sizes[".data"] + sizes[".bss"]
    assert sizes[".stack"] > 0
    headers = subprocess.run(
        ["arm-none-eabi-readelf", "-lW", firmware.elf], capture_output=True, text=True, check=True
    ).stdout
    assert "RWE" not in headers
    loaded = re.findall(r"^\s+LOAD\s+\S+ \S+ \S+ (0x\w+)", headers, re.MULTILINE)
    gaps = sum(int(size, 16) for size in loaded) - firmware.sizes.flash_bytes
    assert 0 <= gaps < 16


def check_host_program(firmware: Firmware) -> None:
    done = subprocess.run(
        [firmware.elf], input=b"ab%c", capture_output=True, timeout=10, check=True
    )
    total = ord("a") * 31 + ord("b")
    assert done.stdout.decode().split() == ["ready=3", f"sum={total}", "count=2", "constructed=84"]


def test_a_second_build_is_the_same_and_a_failed_one_leaves_nothing_of_it(tmp_path, board):
    folder = tiny_project(tmp_path, board)
    first = build(folder, board).elf.read_bytes()
    again = build(folder, board)
    assert again.elf.read_bytes() == first
    write_sources(folder, {"main.c": "int main(void) {\n  return speed;\n}\n"})
    with pytest.raises(BuildError) as caught:
        build(folder, board)
    shown = caught.value.message.splitlines()[1]
    assert shown.startswith("src/main.c:2:10: error: 'speed' undeclared")
    assert str(folder / "build" / "build.log") in caught.value.hint
    assert programs(folder) == []


BIG = """\
const char constants[5000] = {1};
char buffer[9000];
const char *volatile p = constants;
char *volatile q = buffer;
int main(void) { return *p + *q; }
"""


@pytest.mark.parametrize(
    ("option", "limit", "bank", "least", "most"),
    [
        # 5000 bytes of constants and some code, less the limit.
        ("board_upload.maximum_size", 4000, "flash", 1000, 3000),
        # 9000 bytes of data and the stack's 16384, less the limit.
        ("board_upload.maximum_ram_size", 20000, "SRAM (RAM)", 5384, 5500),
    ],
)
def test_what_is_too_big_for_a_bank_fails_and_says_by_how_much(
    tmp_path, board, option, limit, bank, least, most
):
    folder = tiny_project(tmp_path, board, BIG, f"{option} = {limit}")
    with pytest.raises(BuildError, match="The firmware does not fit") as caught:
        build(folder, board)
    found = re.search(r"exceeds (.+) by (\d+) bytes\.$", caught.value.message)
    assert found is not None
    assert found[1] == bank
    assert least <= int(found[2]) <= most
    assert programs(folder) == []


def test_an_undefined_function_is_a_linker_error(tmp_path, board):
    folder = tiny_project(tmp_path, board, "int f(void);\nint main(void) { return f(); }\n")
    with pytest.raises(BuildError, match="undefined reference to `f'"):
        build(folder, board)


@pytest.mark.parametrize("name", [EMULATED[0], "host"])
def test_a_missing_compiler_is_told_before_platformio_is_started(tmp_path, monkeypatch, name):
    folder = tiny_project(tmp_path, load_target(name))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(MissingToolError, match=r"compiler .*gcc.* is not installed") as caught:
        build(folder, load_target(name))
    assert "Install it: " in caught.value.hint
    assert caught.value.exit_code == 4
    assert not (folder / "build").exists()


def test_an_unreachable_registry_is_told_within_seconds(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nobody listens
    for name in ("NO_PROXY", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "core"))
    platform = Platform(name="atmelavr", board="uno", framework="arduino", source="test")
    uno = make_target(name="uno", platform=platform)
    folder = tiny_project(tmp_path / "project", uno, "", "framework = arduino")
    began = time.monotonic()
    with pytest.raises(MissingToolError) as caught:
        build(folder, uno)
    assert time.monotonic() - began < 10
    assert caught.value.message.startswith("The board support 'atmelavr' is not installed")
    assert "can't be reached" in caught.value.message
    assert "Check the network" in caught.value.hint


def test_builds_at_the_same_time_share_a_fresh_core_and_leave_the_users_alone(
    tmp_path, monkeypatch, board
):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("EDGEKIT_CACHE_DIR", str(tmp_path / "a fresh cache"))
    monkeypatch.setenv("PLATFORMIO_BUILD_FLAGS", "-DBROKEN -nonsense")
    folders = [tiny_project(tmp_path / f"project {index}", board) for index in range(3)]
    with ThreadPoolExecutor(len(folders)) as pool:
        built = list(pool.map(lambda folder: build(folder, board), folders))
    assert len({firmware.elf.read_bytes() for firmware in built}) == 1
    assert len(list((tmp_path / "a fresh cache" / "platformio").iterdir())) == 1
    assert list(home.iterdir()) == []


def test_several_environments_are_built_by_platformio_itself(tmp_path, monkeypatch):
    from edgekit.build.private_core import prepare_core

    first, second = (load_target(name) for name in EMULATED[:2])
    folder = tiny_project(tmp_path, first)
    ini = (folder / "platformio.ini").read_text("utf-8")
    (folder / "platformio.ini").write_text(
        ini + f"[env:second]\nplatform = {second.platform.name}\nboard = {second.platform.board}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "platformio", "run", "--project-dir", folder],
        env=prepare_core(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 succeeded" in done.stdout
    assert done.stderr == ""


def slow_compiler(folder: Path) -> Path:
    """Put a compiler in a folder that notes its process id and then takes for ever."""
    folder.mkdir()
    for name in ("cc", "c++"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho $$ >> "{folder}/pids"\nexec sleep 300\n')
        program.chmod(0o755)
    return folder / "pids"


def wait_for_compiler(pids: Path) -> list[int]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if pids.is_file() and pids.read_text().endswith("\n"):
            return [int(line) for line in pids.read_text().split()]
        time.sleep(0.05)
    raise AssertionError("the compiler was never started")


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def running_in(folder: Path) -> list[str]:
    """Return the processes whose working folder this is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve() == folder:
                found.append((process / "cmdline").read_text())
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_time_out_ends_everything_and_leaves_no_firmware(tmp_path, monkeypatch):
    folder = tiny_project(tmp_path / "project", HOST)
    pretend_built(folder)
    slow_compiler(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(BuildError, match=r"Building for host did not end within 2 s") as caught:
        build(folder, HOST, timeout_seconds=2)
    assert "build.log" in caught.value.hint
    assert running_in(folder) == []
    assert programs(folder) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_ctrl_c_ends_the_compiler_and_leaves_no_firmware(tmp_path, child_environment):
    folder = tiny_project(tmp_path / "project", HOST)
    pretend_built(folder)
    pids = slow_compiler(tmp_path / "bin")
    program = (
        "import sys; from pathlib import Path\n"
        "from edgekit.build.platformio import build\n"
        "from edgekit.targets import load_target\n"
        "try: build(Path(sys.argv[1]), load_target('host'))\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    search = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    child = subprocess.Popen(
        [sys.executable, "-c", program, folder],
        cwd=PROJECT,
        env={**child_environment, "PATH": search},
        start_new_session=True,
    )
    try:
        compilers = wait_for_compiler(pids)
        assert all(map(is_running, compilers))
        assert running_in(folder)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    finally:
        child.kill()
        child.wait()
    assert not any(map(is_running, compilers))
    assert running_in(folder) == []
    assert programs(folder) == []


@pytest.mark.skipif(os.name == "nt", reason="the slow compiler is a shell script")
def test_one_build_at_a_time_in_a_folder(tmp_path, child_environment):
    folder = tiny_project(tmp_path / "project", HOST)
    pids = slow_compiler(tmp_path / "bin")
    program = (
        "import sys; from pathlib import Path\n"
        "from edgekit.build.platformio import build\n"
        "from edgekit.targets import load_target\n"
        "build(Path(sys.argv[1]), load_target('host'), timeout_seconds=60)\n"
    )
    search = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    first = subprocess.Popen(
        [sys.executable, "-c", program, folder],
        cwd=PROJECT,
        env={**child_environment, "PATH": search},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_compiler(pids)
        with pytest.raises(OutputError, match=rf"in use .*\(process {first.pid}\)"):
            build(folder, HOST)
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGINT)
        first.wait(20)
    assert build(folder, HOST).elf.is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "project"]


def test_sizes_of_this_computers_own_programs_can_be_read():
    compiler = shutil.which("arm-none-eabi-gcc")
    assert compiler is not None
    sizes = read_sizes(Path(compiler).resolve())
    assert sizes.flash_bytes > 100_000
    assert sizes.symbols == {}
