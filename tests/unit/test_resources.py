"""The shipped folders are found in a checkout, in a wheel, and missed with a hint."""

from pathlib import Path

import pytest

from edgekit import resources
from edgekit.errors import EdgeKitError

FOLDERS = [
    (resources.targets_folder, "targets"),
    (resources.templates_folder, "firmware_templates"),
    (resources.platforms_folder, "targets/platforms"),
]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder that holds nothing, in place of EdgeKit's."""
    folder = tmp_path / "site-packages" / "edgekit"
    folder.mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", folder)
    return folder


@pytest.mark.parametrize(("find", "name"), FOLDERS)
def test_the_folders_of_this_installation_exist(find, name):
    assert find().is_dir()
    assert find().as_posix().endswith(name)
    assert any(find().iterdir())


@pytest.mark.parametrize(("find", "name"), FOLDERS)
def test_in_a_checkout_they_lie_beside_the_package(package, find, name):
    (package.parent / name).mkdir(parents=True)
    assert find() == package.parent / name


@pytest.mark.parametrize(("find", "name"), FOLDERS)
def test_in_a_wheel_they_lie_inside_it_whatever_lies_beside(package, find, name):
    (package / name).mkdir(parents=True)
    (package.parent / name).mkdir(parents=True)  # another distribution's
    assert find() == package / name


def test_a_damaged_installation_is_told(package):
    (package / "targets").write_text("a file, no folder")
    with pytest.raises(EdgeKitError) as caught:
        resources.targets_folder()
    assert caught.value.message == "EdgeKit's own folder 'targets' is missing."
    assert caught.value.hint == "The installation is damaged: install EdgeKit again."
    assert caught.value.exit_code == 1
