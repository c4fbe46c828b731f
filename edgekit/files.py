"""Files that are either whole or not there, and folders that only one EdgeKit writes to."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgekit.errors import OutputError


def write_file(path: Path, content: bytes | str) -> None:
    """Write a file so that it is never seen half-written; text is UTF-8, lines end in LF.

    Raises:
        OutputError: The folder does not exist, or can't be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except OSError as error:
        raise OutputError(
            f"Can't write {path}: {error.strerror}.",
            hint="Choose an output that exists, has room and is yours to write.",
        ) from error
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def make_folder(path: Path) -> Path:
    """Make a folder and its parents, if they are not there, and return it.

    Raises:
        OutputError: A file is in the way, or it can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Can't make the folder {path}: {error.strerror}.",
            hint="Choose another output folder with -o.",
        ) from error
    return path


@contextlib.contextmanager
def scratch_folder(prefix: str = "edgekit-") -> Iterator[Path]:
    """Give a temporary folder that is gone afterwards, however the block ends."""
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        yield Path(name)
