"""What the documents say is so: links, commands, options, exit codes, make targets."""

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from edgekit import errors
from edgekit.cli.main import _VERBS, EXIT_INTERRUPTED, EXIT_TERMINATED
from edgekit.results import SCHEMA_VERSION, Basis

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(name: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(name)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(ROOT).as_posix()), link


def commands(name: str) -> list[list[str]]:
    """Return the ``edgekit`` commands in a document's code blocks, split into words."""
    found = re.findall(r"^(?: {4}|\$ ?)edgekit ((?:.*\\\n)*.*)$", text_of(name), re.MULTILINE)
    return [shlex.split(line.replace("\\\n", " "), comments=True) for line in found]


def options_of(command: click.Command) -> set[str]:
    return {option for item in command.params for option in (*item.opts, *item.secondary_opts)}


@pytest.mark.parametrize("name", NAMES)
def test_commands_that_are_shown_exist_with_their_options(name):
    for words in commands(name):
        verb = words[0]
        assert verb in _VERBS, words
        command = importlib.import_module(f"edgekit.cli.{verb}").command
        rest = words[1:]
        if isinstance(command, click.Group):
            assert rest[0] in command.commands, words
            command, rest = command.commands[rest[0]], rest[1:]
        for word in rest:
            if word.startswith("-"):
                assert word in options_of(command), words


def test_the_readme_and_the_guide_show_commands_at_all():
    """Else the test above would pass on a document that it can't read."""
    assert {words[0] for words in commands("README.md")} >= {
        "convert",
        "inspect",
        "check",
        "generate",
        "build",
        "verify",
        "measure",
        "deploy",
        "flash",
    }
    assert {words[0] for words in commands("docs/guide.md")} == set(_VERBS)


def test_the_guide_has_each_command():
    assert set(_VERBS) <= anchors("docs/guide.md")


def test_the_readme_lists_every_exit_code():
    def subclasses(error: type[errors.EdgeKitError]) -> set[int]:
        below = (subclasses(kind) for kind in error.__subclasses__())
        return {error.exit_code}.union(*below)

    section = text_of("README.md").partition("## Exit codes")[2].partition("\n## ")[0]
    listed = {
        int(code)
        for row in re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE)
        for code in row.split(",")
    }
    own = subclasses(errors.EdgeKitError) - {errors.EdgeKitError.exit_code}
    assert listed == own | {0, EXIT_INTERRUPTED, EXIT_TERMINATED}


def test_the_readme_explains_every_basis():
    section = text_of("README.md").partition("## What a figure is")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (\w+) \|", section, re.MULTILINE)[1:] == [
        basis.value for basis in Basis
    ]


def test_the_json_document_names_the_schema_version():
    assert f"| `schema_version` | {SCHEMA_VERSION};" in text_of("docs/json.md")


def test_make_targets_that_are_named_exist():
    makefile = text_of("Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for name in NAMES:
        for target in re.findall(r"(?:^ {4}|`)make ([a-z]+)", text_of(name), re.MULTILINE):
            assert target in targets, (name, target)
    assert set(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[0].split()) == targets
    described = set(re.findall(r"^([a-z]+):[^#\n]*## \S", makefile, re.MULTILINE))
    assert described == targets, "each is listed by 'make help'"
