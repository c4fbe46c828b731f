"""What commands show: tables for people, one JSON document for programs, progress meanwhile.

Results go to standard output, progress and warnings to standard error.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgekit.progress import Progress, Silence
from edgekit.results import document

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

Command = TypeVar("Command", bound=Callable[..., Any])

_TERMINAL_WIDTH_WITHOUT_TERMINAL = 120


class Output:
    """One command's output, as ``--json`` and ``--quiet`` ask for it."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def document(self, kind: str, **content: Any) -> None:
        """Print the JSON document, if JSON is asked for."""
        if self.as_json:
            click.echo(json.dumps(document(kind, **content), indent=2, ensure_ascii=False))

    def line(self, text: str = "", *, style: str = "") -> None:
        """Print a line for people; ``style`` is a rich style such as ``"bold green"``."""
        if not self._for_people():
            return
        if not style:
            click.echo(text)
            return
        from rich.text import Text

        self._console().print(Text(text, style=style), soft_wrap=True)

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        numeric: str = "",
    ) -> None:
        """Print a table; ``numeric`` has an ``r`` for each column that is right-aligned.

        Cells are plain text, never markup: a tensor may be called ``[0]``.
        """
        if not self._for_people():
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=title or None,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            show_header=any(columns),
        )
        for index, column in enumerate(columns):
            right = index < len(numeric) and numeric[index] == "r"
            table.add_column(column, justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_styled(cell, Text) for cell in row))
        self._console().print(table)

    def warn(self, text: str) -> None:
        """Print a warning to standard error."""
        if not self.quiet:
            click.secho("Warning: ", fg="yellow", bold=True, err=True, nl=False)
            click.echo(text, err=True)

    @contextlib.contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show progress on standard error while the context lasts."""
        if self.quiet or self.as_json:
            yield Silence()
        elif not sys.stderr.isatty():
            yield _LineProgress()
        else:
            with _BarProgress() as bar:
                yield bar

    def _for_people(self) -> bool:
        return not self.as_json and not self.quiet

    def _console(self) -> Any:
        from rich.console import Console

        width = None if sys.stdout.isatty() else _TERMINAL_WIDTH_WITHOUT_TERMINAL
        return Console(width=width, highlight=False)


_VERDICT_STYLES = {
    "fits": "green",
    "fits in slow memory": "yellow",
    "fits only in other memory": "yellow",
    "fits only in slow memory": "yellow",
    "does not fit": "red",
    "can't run": "yellow",
}


def _styled(cell: str, text: Any) -> Any:
    return text(cell, style=_VERDICT_STYLES.get(cell, ""))


class _LineProgress:
    """Progress for logs: a line a stage, with the seconds that the one before took."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def stage(self, title: str) -> None:
        """Print the stage's title."""
        click.echo(f"[{time.monotonic() - self._began:6.1f} s] {title}", err=True)

    def detail(self, text: str) -> None:
        """Leave details out of logs."""

    def advance(self, done: int, total: int) -> None:
        """Leave steps out of logs."""


class _BarProgress:
    """Progress for terminals: a spinner, the stage, a bar where the total is known."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._bars: RichProgress = RichProgress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> _BarProgress:
        self._bars.start()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is None:
            self._finish()
        self._bars.stop()

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, total=1, completed=1, detail="")

    def stage(self, title: str) -> None:
        """Tick off the stage before, begin this one."""
        self._finish()
        self._task = self._bars.add_task(title, total=None, detail="")

    def detail(self, text: str) -> None:
        """Show the text behind the bar, cut to fit."""
        if self._task is not None:
            self._bars.update(self._task, detail=text.strip()[:60])

    def advance(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total)


def output_options(command: Command) -> Command:
    """Add ``--json`` and ``--quiet``; the command's function gets ``as_json`` and ``quiet``."""
    command = click.option(
        "--quiet", "-q", is_flag=True, help="Print nothing but errors (and JSON, if asked for)."
    )(command)
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document instead of tables."
    )(command)
