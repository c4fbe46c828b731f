"""The wheel is whole: it works where there is no checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling")

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("edgekit", "firmware_templates", "targets")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is packaged, with the litter that a used checkout has."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    for name in SHIPPED:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("edgekit", "targets/platforms/host", "firmware_templates/shared"):
        (copy / folder / "__pycache__").mkdir()
        (copy / folder / "__pycache__" / "old.cpython-310.pyc").write_bytes(b"old")
    return copy


def shipped_files() -> set[str]:
    """Return the shipped files as they lie in a wheel."""
    files = {
        path.relative_to(ROOT)
        for name in SHIPPED
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return {
        path.as_posix() if path.parts[0] == "edgekit" else f"edgekit/{path.as_posix()}"
        for path in files
    }


def build(source: Path, kind: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    return build(source, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs' folder of a new environment that has the wheel, but no checkout.

    What EdgeKit depends on is lent by the environment of the tests; an editable
    installation in that one stays behind, as its .pth file is not read from there.
    """
    folder = tmp_path_factory.mktemp("environment") / "a folder"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    lent = Path(site) / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def run(programs: Path, *command: str) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    done = subprocess.run(
        [str(programs / command[0]), *command[1:]],
        cwd=programs,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_what_is_shipped_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = archive.read(
            next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        ).decode()
    assert names == shipped_files()
    assert "Requires-Python: <3.14,>=3.10" in metadata
    assert {"convert", "run", "micro", "demo"} <= {
        line.removeprefix("Provides-Extra: ") for line in metadata.splitlines()
    }


def test_the_wheel_is_the_same_each_time(source, wheel, tmp_path):
    assert build(source, "wheel", tmp_path).read_bytes() == wheel.read_bytes()


def test_the_source_archive_holds_what_the_wheel_is_made_from(source, tmp_path):
    with tarfile.open(build(source, "sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "edgekit/py.typed"} <= names
    assert {f"edgekit/{name}" if name.split("/")[0] != "edgekit" else name for name in names} >= (
        shipped_files()
    )
    assert not any("__pycache__" in name for name in names)


def test_the_installed_package_is_the_wheels(installed):
    where = Path(run(installed, "python", "-c", "import edgekit; print(edgekit.__file__)").strip())
    assert installed.parent in where.parents


def test_the_installed_program_finds_its_targets_and_templates(installed):
    listed = json.loads(run(installed, "edgekit", "targets", "list", "--json"))
    names = {target["name"] for target in listed["targets"]}
    assert names == {path.stem for path in (ROOT / "targets").glob("*.toml")}
    code = (
        "from edgekit import resources as r; "
        "print(r.templates_folder()); print(r.platforms_folder())"
    )
    for folder in run(installed, "python", "-c", code).splitlines():
        assert installed.parent in Path(folder).parents
        assert any(Path(folder).iterdir())
