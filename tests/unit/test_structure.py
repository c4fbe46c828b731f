"""The house stands as it was drawn: import direction, light import, public names, sizes."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgekit

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "edgekit"
MODULES = sorted(PACKAGE.rglob("*.py"))

LEVELS = (
    {"errors", "units", "resources", "process", "files", "progress", "toml_schema"},
    {"findings", "graph", "libraries", "plans", "results", "targets"},
    {"model"},
    {"plan"},
    {"aot"},
    {"engines"},
    {"firmware"},
    {"build"},
    {"device", "pi"},
    {"report"},
    {"stages", "pipeline", "demo", "doctor"},
    {"cli", "__main__"},
)
"""What may import what: a part imports from its own level or a lower one."""

OWNERS = {
    "ai_edge_litert": {"model/worker_run.py"},
    "click": {"cli/"},
    "elftools": {"build/sizes.py"},
    "jinja2": {"firmware/render.py"},
    "keras": {"model/tensorflow_models.py", "model/worker_convert.py", "demo/training.py"},
    "numpy": {"model/", "demo/training.py", "stages.py"},
    "platformdirs": {"build/private_core.py"},
    "platformio": {"build/launcher.py"},
    "rich": {"cli/"},
    "scipy": {"demo/training.py"},
    "serial": {"device/"},
    "sklearn": {"demo/training.py"},
    "tensorflow": {"model/tensorflow_models.py", "model/worker_convert.py"},
    "tflite_micro": {"model/worker_run.py"},
    "tomli": {"aot/code_size.py", "toml_schema.py"},
}
"""Each package from outside, and the modules or folders that may import it."""

LIGHT = {"click", "platformdirs", "tomli"}
"""Packages that may be imported when a module is; all others inside a function."""

OWN_PROGRAMS = {"build/launcher.py", "demo/training.py", "model/worker_convert.py"}
"""Run in child processes, or imported by one alone: these may import at the top."""

MAX_LINES = 420

NAMED_TARGETS = {
    "demo/__init__.py": {"qemu-cortex-m4", "esp32", "nano33ble"},  # what the demo shows
    # "host" is a kind of emulator too, an architecture, and the way out where QEMU can't run.
    "aot/code_size.py": {"host"},
    "targets.py": {"host"},
    "firmware/project.py": {"host"},
    "device/connect.py": {"host"},
    "device/emulator.py": {"host"},
    "device/host.py": {"host"},
    "doctor.py": {"host"},
}
"""Where Python code may name a target, and which."""


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each imported module's full name, and the line; relative imports made absolute."""
    package = dotted(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                yield (whole if is_module(whole) else module), node.lineno


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def level(name: str) -> int:
    """Return the level of a module's full name; the package itself is above all but the CLI."""
    parts = name.split(".")
    if len(parts) == 1:
        return len(LEVELS) - 2
    for number, level_parts in enumerate(LEVELS):
        if parts[1] in level_parts:
            return number
    raise AssertionError(f"edgekit.{parts[1]} has no place in LEVELS yet: give it one")


def by_name(paths: list[Path]) -> list:
    return [pytest.param(path, id=name_of(path)) for path in paths]


# Direction


@pytest.mark.parametrize("path", by_name(MODULES))
def test_a_module_imports_from_its_own_level_or_a_lower_one(path):
    # What any part may have of the package itself is its version and its place.
    own = level(dotted(path))
    allowed_root = {"edgekit"} if uses_no_public_name(path) else set()
    upward = [
        f"{name_of(path)}:{line} imports {module}"
        for module, line in imports(path)
        if module.split(".")[0] == "edgekit" and module not in allowed_root and level(module) > own
    ]
    assert not upward


def uses_no_public_name(path: Path) -> bool:
    """Whether nothing of ``edgekit`` itself is used but ``__version__`` and ``__file__``."""
    for node in ast.walk(parse(path)):
        names: set[str] = set()
        if isinstance(node, ast.ImportFrom) and node.module == "edgekit":
            names = {alias.name for alias in node.names if not is_module(f"edgekit.{alias.name}")}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = {node.attr} if node.value.id == "edgekit" else set()
        if names - {"__version__", "__file__"}:
            return False
    return True


def test_parts_of_the_package_do_not_import_each_other_in_a_circle():
    """Two levels can't, by their direction; within one level only this finds it."""
    parts: dict[str, set[str]] = {}
    for path in MODULES:
        for module, _ in imports(path):
            names = [dotted(path).split("."), module.split(".")]
            if names[1][0] == "edgekit" and all(len(name) > 1 for name in names):
                source, used = (name[1] for name in names)
                if source != used:
                    parts.setdefault(source, set()).add(used)

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(parts.get(start, ()))
        while waiting:
            part = waiting.pop()
            if part not in seen:
                seen.add(part)
                waiting += parts.get(part, ())
        return seen

    assert [part for part in parts if part in reach(part)] == []


# Packages from outside


@pytest.mark.parametrize("path", by_name(MODULES))
def test_a_package_from_outside_is_imported_by_its_owners_alone(path):
    strangers = []
    for module, line in imports(path):
        package = module.split(".")[0]
        if package in {"edgekit", "tomllib"} or package in sys.stdlib_module_names:
            continue
        assert package in OWNERS, f"{package} has no owner in OWNERS yet: give it one"
        if not any(name_of(path).startswith(owner) for owner in OWNERS[package]):
            strangers.append(f"{name_of(path)}:{line} imports {module}")
    assert not strangers


@pytest.mark.parametrize(
    "path", by_name([path for path in MODULES if name_of(path) not in OWN_PROGRAMS])
)
def test_a_heavy_package_is_imported_inside_the_function_that_needs_it(path):
    at_the_top = []
    for node in top_level(parse(path).body):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            package = name.split(".")[0]
            if package in OWNERS and package not in LIGHT:
                at_the_top.append(f"{name_of(path)}:{node.lineno} imports {name}")
    assert not at_the_top


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield what runs on import: not functions' bodies, nor what is there for types alone."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from top_level(node.orelse)
            continue
        yield node
        for field in ("body", "orelse", "finalbody"):
            yield from top_level(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            yield from top_level(handler.body)


@pytest.mark.parametrize(
    "module", ["edgekit", "edgekit.cli.main", "edgekit.cli.check", "edgekit.cli.inspect"]
)
def test_importing_is_light(module):
    heavy = set(OWNERS) - LIGHT
    code = (
        f"import json, sys; import {module}; "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(json.loads(loaded.stdout)) & heavy == set()


def test_the_verbs_are_listed_without_being_imported():
    code = (
        "import sys; from edgekit.cli.main import main; code = main(['--help']); "
        "print([name for name in sys.modules if name.startswith('edgekit.cli.')], file=sys.stderr);"
        "sys.exit(code)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stderr.strip() == "['edgekit.cli.main']"


# Names


def test_every_public_name_can_be_loaded():
    for name in edgekit.__all__:
        assert getattr(edgekit, name) is not None
    assert len(set(edgekit.__all__)) == len(edgekit.__all__)
    assert dir(edgekit) == sorted(edgekit.__all__)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        edgekit.no_such_name  # noqa: B018


def test_the_public_names_are_those_that_are_documented():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^### `edgekit\.(\w+)", text, re.MULTILINE))
    assert documented == set(edgekit.__all__)


def test_the_type_checker_and_python_know_the_same_public_names():
    """The names are written three times, as type checkers can't follow ``__getattr__``."""
    typed = {
        alias.name
        for node in ast.walk(parse(PACKAGE / "__init__.py"))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgekit.")
        for alias in node.names
    }
    assert typed | {"__version__"} == set(edgekit.__all__)


# Modules


@pytest.mark.parametrize("path", by_name(MODULES))
def test_a_module_says_what_it_is_and_holds_one_idea(path):
    assert ast.get_docstring(parse(path)), "a module begins with a docstring"
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines < MAX_LINES, "a module that long holds two ideas: split it"


def literals(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each string in the code that is no docstring, and its line."""
    tree = parse(path)
    docstrings = {
        id(statement.value)
        for node in ast.walk(tree)
        for statement in (node.body if isinstance(getattr(node, "body", None), list) else [])
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node.value, node.lineno


TARGETS = {path.stem for path in (ROOT / "targets").glob("*.toml")}


@pytest.mark.parametrize("path", by_name(MODULES))
def test_no_target_is_named_in_python_code(path):
    """Boards are data. ``host``, ``pico``, ``uno`` are words too: they count when quoted."""
    assert TARGETS, "no target profiles were found"
    found = set()
    for text, _ in literals(path):
        for target in TARGETS:
            named = re.search(rf"(?<![\w-]){re.escape(target)}(?![\w-])", text)
            if named and (text == target or not target.isalpha() or f"'{target}'" in text):
                found.add(target)
    assert found - NAMED_TARGETS.get(name_of(path), set()) == set()


def test_the_allowances_are_all_used():
    """An exception that nobody needs any more would hide the next one."""
    existing = {name_of(path) for path in MODULES}
    assert set(NAMED_TARGETS) <= existing
    assert existing >= OWN_PROGRAMS
    for owners in OWNERS.values():
        for owner in owners:
            assert any(name.startswith(owner) for name in existing), owner
    words = {
        name_of(path): {text for text, _ in literals(path)}
        for path in MODULES
        if name_of(path) in NAMED_TARGETS
    }
    for name, targets in NAMED_TARGETS.items():
        for target in targets:
            assert any(target in text for text in words[name]), (name, target)


# Files


MACHINE_PATHS = re.compile(r"/(?:root|home/(?!me/)\w+|Users/(?!me/)\w+|work/\w+|opt/\w+)/")
"""``/home/me/`` is nobody's: examples may use it."""

REGISTRIES = re.compile(  # a bracket in each, so that this file does not name them
    r"p[y]pi\.org|python[h]osted\.org|registry\.(?:platform[i]o|npm[j]s)\.org|"
    r"(?:deb|security)\.deb[i]an\.org|(?:archive|ports|security)\.ub[u]ntu\.com|"
    r"registry-1\.d[o]cker\.io|conda\.ana[c]onda\.org|proxy\.g[o]lang\.org",
    re.IGNORECASE,
)


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("no git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


@pytest.mark.parametrize(
    ("pattern", "what"), [(MACHINE_PATHS, "a machine's path"), (REGISTRIES, "a registry's name")]
)
def test_no_file_holds_what_is_true_of_one_machine_alone(pattern, what):
    found = []
    for path in tracked_files():
        data = path.read_bytes() if path.is_file() else b""
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT).as_posix()}:{number}: {line.strip()[:80]}")
    assert not found, f"holds {what}"


def test_the_patterns_find_what_they_are_for():
    for parts in (("root", "x"), ("see /home", "anna", "x"), ("Users", "anna", "x")):
        text = "/".join(["", *parts])  # in pieces, so that this file holds no such path
        assert MACHINE_PATHS.search(text), text
    for text in ("~/x", "/tmp/x", "/usr/bin/python3", "user/home", "/dev/ttyACM0", "/home/me/x"):
        assert not MACHINE_PATHS.search(text), text
    assert REGISTRIES.search("https://" + ".".join(["pypi", "org"]) + "/simple")
    assert not REGISTRIES.search("https://docs.platformio.org")


def test_test_files_have_names_of_their_own():
    """pytest imports them by name alone, as they lie in no package."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "__init__.py"]
    assert sorted({name for name in names if names.count(name) > 1}) == []
