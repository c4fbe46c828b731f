"""Template folders to text: a folder is the tree that it makes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from edgekit import resources
from edgekit.firmware.sketch import Sketch

SUFFIX = ".j2"
"""Ends the name of a file that is rendered; the result has the name without it."""


def render_folder(
    name: str, sketch: Sketch, *, into: str = "", leave_out: Collection[str] = ()
) -> dict[str, str]:
    """Return the files that the template folder ``name`` makes, by relative POSIX path.

    Args:
        name: A folder of ``firmware_templates/``.
        sketch: What ``*.j2`` files are rendered with, under the name ``sketch``.
        into: A folder of the project that everything goes into.
        leave_out: Names of files (without ``.j2``) that this project does not need.
    """
    folder = resources.templates_folder() / name
    files: dict[str, str] = {}
    for source in sorted(folder.rglob("*")):
        relative = PurePosixPath(into, source.relative_to(folder).as_posix())
        if not source.is_file() or relative.name.removesuffix(SUFFIX) in leave_out:
            continue
        text = source.read_text(encoding="utf-8")
        if relative.suffix == SUFFIX:
            relative = relative.with_suffix("")
            text = render_text(text, sketch)
        files[relative.as_posix()] = text
    return files


def render_text(template: str, sketch: Sketch) -> str:
    """Return a template's text with ``sketch`` filled in; a name that it lacks is an error."""
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 (C and ini, no HTML; names are cleaned beforehand)
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        newline_sequence="\n",
    )
    return environment.from_string(template).render(sketch=sketch)
