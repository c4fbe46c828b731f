"""Projects onto the disk: all or nothing, and nobody else's files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import make_plan

from edgekit.errors import OutputError
from edgekit.firmware import write
from edgekit.firmware.lock import is_running, lock_path, project_lock
from edgekit.firmware.marker import MARKER, marker_text
from edgekit.firmware.project import Project, write_project

needs_permissions = pytest.mark.skipif(
    os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0),
    reason="permissions bind neither root nor Windows",
)


def project_of(**files: str) -> Project:
    named = {name.replace("__", "/").replace("_c", ".c"): text for name, text in files.items()}
    named[MARKER] = marker_text(make_plan(), name="tiny", files=tuple(named))
    return Project(name="tiny", target="testboard", engine="tflm", files=named)


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


FIRST = project_of(src__main_c="first\n", src__old_c="old\n", README="é\n")
SECOND = project_of(src__main_c="second\n", src__new_c="new\n")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder of which nothing but itself may be left beside it."""
    return tmp_path / "work" / "project"


def leftovers(place: Path) -> list[str]:
    return sorted(path.name for path in place.parent.iterdir() if path != place)


def test_project_is_written_with_line_feeds(place: Path) -> None:
    write_project(FIRST, place)
    assert tree(place) == dict(FIRST.files)
    assert (place / "src" / "main.c").read_bytes() == b"first\n"
    assert leftovers(place) == []


def test_empty_folder_is_taken(place: Path) -> None:
    place.mkdir(parents=True)
    write_project(FIRST, place)
    assert tree(place) == dict(FIRST.files)


def test_relative_folder_is_where_it_says(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir(parents=True)
    monkeypatch.chdir(place.parent)
    write_project(FIRST, Path("project"))
    assert tree(place) == dict(FIRST.files)


def test_folder_of_someone_else_is_refused(place: Path) -> None:
    place.mkdir(parents=True)
    (place / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError) as caught:
            write_project(FIRST, place, overwrite=overwrite)
        assert caught.value.message == (
            f"The folder {place} is not empty, and not an EdgeKit project."
        )
        assert caught.value.hint == "Choose a new or an empty folder."
        assert caught.value.exit_code == 2
    assert tree(place) == {"thesis.tex": "years of work"}
    assert leftovers(place) == []


@pytest.mark.parametrize("marker", ["", "[]", "3", '{"files": 3}', "{}", "\x00"])
def test_folder_with_a_broken_marker_is_refused(place: Path, marker: str) -> None:
    place.mkdir(parents=True)
    (place / MARKER).write_text(marker)
    with pytest.raises(OutputError, match="not an EdgeKit project"):
        write_project(FIRST, place, overwrite=True)


def test_project_is_replaced_only_when_asked(place: Path) -> None:
    write_project(FIRST, place)
    with pytest.raises(OutputError) as caught:
        write_project(SECOND, place)
    assert caught.value.message == f"The folder {place} already holds an EdgeKit project."
    assert tree(place) == dict(FIRST.files)
    write_project(SECOND, place, overwrite=True)
    assert tree(place) == dict(SECOND.files)
    assert leftovers(place) == []


def test_what_edgekit_did_not_generate_stays(place: Path) -> None:
    write_project(FIRST, place)
    mine = {".pio/build/x.o": "o", "notes.txt": "n", "src/mine.c": "m", "lib/a/b.c": "b"}
    for name, text in mine.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    (place / "src" / "main.c").write_text("changed")
    write_project(SECOND, place, overwrite=True)
    assert tree(place) == {**SECOND.files, **mine}
    assert leftovers(place) == []


def test_own_file_in_the_way_of_a_new_one_is_kept_beside_it(place: Path) -> None:
    write_project(FIRST, place)
    (place / "src" / "new.c").write_text("mine")
    write_project(SECOND, place, overwrite=True)
    assert tree(place) == {**SECOND.files, "src/new.c.kept": "mine"}


def test_file_in_the_place_of_the_folder_is_refused(place: Path) -> None:
    place.parent.mkdir()
    place.write_text("a file")
    with pytest.raises(OutputError) as caught:
        write_project(FIRST, place, overwrite=True)
    assert caught.value.message == f"The output folder {place} is a file."
    assert place.read_text() == "a file"
    assert leftovers(place) == []


def test_file_in_the_place_of_a_parent_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(OutputError, match="Can't write"):
        write_project(FIRST, tmp_path / "file" / "project")


def test_root_of_the_disk_is_refused() -> None:
    with pytest.raises(OutputError, match="not an EdgeKit project"):
        write_project(FIRST, Path(Path.cwd().anchor), overwrite=True)


@needs_permissions
def test_folder_that_may_not_be_written_is_an_error(place: Path) -> None:
    place.parent.mkdir()
    place.parent.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Can't write"):
            write_project(FIRST, place)
    finally:
        place.parent.chmod(0o700)


def test_disk_that_fills_up_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    write_project(FIRST, place)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_project(SECOND, place, overwrite=True)
    monkeypatch.undo()
    assert tree(place) == dict(FIRST.files)
    assert leftovers(place) == []


def interrupt_at(call: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let the ``call``-th step that changes the disk be interrupted just before it is done."""
    count = 0

    def watch(original: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == call:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        return step

    for name in ("mkdir", "write_text", "rename"):
        monkeypatch.setattr(Path, name, watch(getattr(Path, name)))
    monkeypatch.setattr(write.shutil, "rmtree", watch(write.shutil.rmtree))
    return lambda: count


def test_interruption_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    for call in range(1, 100):
        place = tmp_path / str(call) / "project"
        write_project(FIRST, place)
        (place / "notes.txt").write_text("mine")
        with monkeypatch.context() as patch:
            reached = interrupt_at(call, patch)
            try:
                write_project(SECOND, place, overwrite=True)
                break
            except KeyboardInterrupt:
                assert reached() >= call
        now = tree(place)
        assert now.pop("notes.txt") == "mine", call
        assert now in (dict(FIRST.files), dict(SECOND.files)), call
        seen.add(now["src/main.c"])
        # The next run cleans up whatever is left.
        write_project(SECOND, place, overwrite=True)
        assert tree(place) == {**SECOND.files, "notes.txt": "mine"}
        assert leftovers(place) == []
    else:
        pytest.fail("never got to the end")
    assert seen == {"first\n", "second\n"}


def test_replacement_that_was_cut_off_is_finished_by_the_next(place: Path) -> None:
    write_project(FIRST, place)
    (place / "notes.txt").write_text("mine")
    place.rename(place.with_name(".project.edgekit-old"))  # and then the power failed
    with pytest.raises(OutputError, match="already holds"):
        write_project(SECOND, place)
    assert tree(place) == {**FIRST.files, "notes.txt": "mine"}


# ---- The lock ----


def test_folder_in_use_by_another_process_is_refused(place: Path) -> None:
    place.parent.mkdir()
    code = (
        "import sys; from pathlib import Path; from edgekit.firmware.lock import project_lock\n"
        "with project_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(OutputError) as caught:
            write_project(FIRST, place)
        assert caught.value.message == (
            f"The folder {place} is in use by another EdgeKit (process {holder.pid})."
        )
        assert str(lock_path(place)) in caught.value.hint
        assert not place.exists()
        holder.communicate(b"")
    assert holder.returncode == 0
    write_project(FIRST, place)
    assert leftovers(place) == []


def test_lock_of_a_process_that_ended_is_taken_over(place: Path) -> None:
    place.parent.mkdir()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not is_running(ended.pid)
    lock_path(place).write_text(f"{ended.pid}\n")
    write_project(FIRST, place)
    assert leftovers(place) == []


def test_lock_that_is_being_written_counts(place: Path) -> None:
    place.parent.mkdir()
    lock_path(place).write_text("")
    with pytest.raises(OutputError, match="in use by another EdgeKit"):
        write_project(FIRST, place)
    os.utime(lock_path(place), (1, 1))
    write_project(FIRST, place)
    assert leftovers(place) == []


def test_lock_is_released_after_an_error(place: Path) -> None:
    place.parent.mkdir()
    with pytest.raises(RuntimeError), project_lock(place):
        raise RuntimeError
    with project_lock(place):
        assert lock_path(place).read_text() == f"{os.getpid()}\n"
    assert leftovers(place) == []


def test_project_beside_which_nothing_can_be_written_holds_its_lock_itself(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(FIRST, place)
    (place / "platformio.ini").write_text("mine", encoding="utf-8")
    beside = lock_path(place)
    assert beside.parent == place.parent
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != place.parent)
    with project_lock(place):
        assert not beside.exists()
        assert lock_path(place).parent == place
        with pytest.raises(OutputError, match="in use"), project_lock(place):
            pass
    assert tree(place) == {**FIRST.files, "platformio.ini": "mine"}
    (place / "platformio.ini").unlink()  # no project: nothing to build
    assert lock_path(place) == beside


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a right there")
def test_lock_holds_whatever_the_folder_is_called(place: Path) -> None:
    write_project(FIRST, place)
    other = place.with_name("other name")
    other.symlink_to(place, target_is_directory=True)
    with project_lock(place), pytest.raises(OutputError, match="in use"), project_lock(other):
        pass
    assert tree(place) == FIRST.files


def test_own_process_is_running() -> None:
    assert is_running(os.getpid())
