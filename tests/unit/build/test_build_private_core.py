"""The private core's files and environment. What PlatformIO makes of them: integration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit import resources
from edgekit.build import private_core
from edgekit.build.private_core import cache_folder, link_text, parse_version, prepare_core
from edgekit.errors import BuildError, MissingToolError, OutputError


@pytest.fixture(autouse=True)
def known_scons(monkeypatch):
    monkeypatch.setattr(private_core, "_scons_version", lambda: "4.41101.0")


def core_of(environment: dict[str, str]) -> Path:
    return Path(environment["PLATFORMIO_CORE_DIR"])


def prepare(folder: Path, **variables: str) -> dict[str, str]:
    return prepare_core({"EDGEKIT_CACHE_DIR": str(folder), **variables})


def contents(core: Path) -> dict[str, str]:
    files = (path for path in core.rglob("*") if path.is_file())
    return {path.relative_to(core).as_posix(): path.read_text("utf-8") for path in files}


def test_the_users_own_platformio_settings_are_dropped_and_the_rest_kept(tmp_path):
    environment = prepare(
        tmp_path, PATH="/bin", PLATFORMIO_BUILD_FLAGS="-DX", PLATFORMIO_CORE_DIR="/home/me"
    )
    assert environment["PATH"] == "/bin"
    assert "PLATFORMIO_BUILD_FLAGS" not in environment
    assert core_of(environment).is_relative_to(tmp_path)
    assert environment["PLATFORMIO_SETTING_ENABLE_TELEMETRY"] == "no"
    assert environment["PLATFORMIO_DISABLE_UPGRADE_CHECK"] == "true"


def test_a_core_holds_the_links_and_nothing_else(tmp_path):
    files = contents(core_of(prepare(tmp_path)))
    assert set(files) == {
        "appstate.json",
        "packages/tool-scons.pio-link",
        "platforms/host.pio-link",
        "platforms/qemu-cortex-m.pio-link",
        "tool-scons/package.json",
        "tool-scons/scons.py",
    }
    assert json.loads(files["tool-scons/package.json"]) == {
        "name": "tool-scons",
        "version": "4.41101.0",
        "system": "*",
    }
    assert json.loads(files["appstate.json"]).keys() == {"last_version"}


def test_platforms_are_linked_without_owner_and_scons_as_platformios_own(tmp_path):
    core = core_of(prepare(tmp_path))
    platform = json.loads((core / "platforms" / "qemu-cortex-m.pio-link").read_text("utf-8"))
    folder = resources.platforms_folder() / "qemu_cortex_m"
    assert platform["spec"]["owner"] is None
    assert platform["spec"]["uri"] == f"symlink://{folder.as_posix()}"
    scons = json.loads((core / "packages" / "tool-scons.pio-link").read_text("utf-8"))
    assert scons["spec"]["owner"] == "platformio"


def test_a_link_is_what_platformio_reads():
    assert json.loads(link_text("host", Path("/some where/host"), None)) == {
        "cwd": "/",
        "spec": {
            "owner": None,
            "id": None,
            "name": "host",
            "requirements": None,
            "uri": "symlink:///some where/host",
        },
    }


def test_preparing_again_touches_nothing(tmp_path):
    core = core_of(prepare(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in core.rglob("*")}
    prepare(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in core.rglob("*")} == before


def test_what_platformio_wrote_into_its_state_is_kept(tmp_path):
    state = core_of(prepare(tmp_path)) / "appstate.json"
    state.write_text('{"last_version": "6.2.0", "cid": "x"}', "utf-8")
    prepare(tmp_path)
    assert json.loads(state.read_text("utf-8"))["cid"] == "x"


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", None])
@pytest.mark.parametrize(
    "name", ["platforms/host.pio-link", "tool-scons/package.json", "tool-scons/scons.py"]
)
def test_damaged_files_are_mended(tmp_path, name, damage):
    core = core_of(prepare(tmp_path))
    before = contents(core)
    if damage is None:
        (core / name).unlink()
    else:
        (core / name).write_bytes(damage)
    prepare(tmp_path)
    assert contents(core) == before


def test_another_installation_has_another_core(tmp_path, monkeypatch):
    first = core_of(prepare(tmp_path))
    monkeypatch.setattr(private_core, "installed_version", lambda package: "9.9.9")
    second = core_of(prepare(tmp_path))
    assert first != second
    assert first.is_dir()


def test_the_cache_is_the_users_unless_it_is_named(tmp_path):
    assert cache_folder({"EDGEKIT_CACHE_DIR": str(tmp_path)}) == tmp_path
    assert cache_folder({}).name == "edgekit"
    assert cache_folder({"EDGEKIT_CACHE_DIR": ""}) == cache_folder({})


def test_a_cache_that_can_not_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="Can't make the folder") as caught:
        prepare(tmp_path / "file")
    assert caught.value.exit_code == 2


def test_a_missing_package_says_how_to_install_it():
    with pytest.raises(MissingToolError, match="'nosuch-package' is not installed") as caught:
        private_core.installed_version("nosuch-package")
    assert caught.value.hint.endswith("-m pip install nosuch-package")


@pytest.mark.parametrize("text", ["~4.41101.0\n", "4.41101.0", ">=4.41101.0,<5", "^4.41101.0"])
def test_the_wanted_version_is_read_from_the_requirement(text):
    assert parse_version(text) == "4.41101.0"


def test_what_is_no_version_is_told():
    with pytest.raises(BuildError, match="which SCons it needs: KeyError: 'tool-scons'"):
        parse_version("Traceback:\nKeyError: 'tool-scons'\n")
