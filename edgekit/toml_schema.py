"""Data files in TOML read into frozen, checked dataclasses: target profiles and the like.

The schema is the dataclass: each field is a key, a nested dataclass is a table.
Unknown, missing and mistyped keys are refused with the key's path, and so is an empty
``source``: a number must say where it is from.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edgekit.errors import EdgeKitError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """How one kind of data file is called, and what its errors are.

    ``subject`` is what one file describes (``"target"``), ``file`` what the file is
    called, ``manual`` the document that explains its keys.
    """

    subject: str
    file: str
    error: type[EdgeKitError]
    manual: str

    def read_text(self, path: Path, *, hint: str) -> str:
        """Return a file's text; raise the form's error if it can't be read.

        Args:
            path: The file.
            hint: What to do where there is none.
        """
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise self.error(
                f"Can't read the {self.file} {path}: {error.strerror}.", hint=hint
            ) from error
        except UnicodeDecodeError as error:
            raise self.error(
                f"The {self.file} {path} is not UTF-8 text.", hint="Save it as UTF-8."
            ) from error

    def parse(self, text: str, kind: type[Value], *, name: str) -> Value:
        """Return the ``kind`` that a file's text describes; its ``name`` is the file's.

        Raises:
            EdgeKitError: The form's ``error``: the text is not TOML, or a key is
                unknown, missing or mistyped; the message has the key's path.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self.error(
                f"{self.subject.capitalize()} {name!r} is not valid TOML: {error}.",
                hint="Mend the line that it names.",
            ) from error
        if "name" in document:
            raise self.fail(
                name,
                "name",
                "is unknown",
                f"A {self.subject}'s name is that of its file: remove it.",
            )
        value: Value = self._build(kind, {"name": name, **document}, path="", name=name)
        self._check_sources(value, path="", name=name)
        return value

    def fail(self, name: str, path: str, problem: str, hint: str) -> EdgeKitError:
        """Return the error for the key at ``path`` of the file ``name``."""
        return self.error(
            f"{self.subject.capitalize()} {name!r}: key {path!r} {problem}.", hint=hint
        )

    def _build(self, kind: type[Any], table: Mapping[str, Any], *, path: str, name: str) -> Any:
        schema = _schema(kind)
        for key in table:
            if key not in schema:
                raise self.fail(name, path + key, "is unknown", did_you_mean(key, schema))
        values: dict[str, Any] = {}
        for key, (hint, is_required) in schema.items():
            if key in table:
                values[key] = self._value(hint, table[key], path=path + key, name=name)
            elif is_required:
                raise self.fail(
                    name, path + key, "is missing", f"Add it; {self.manual} explains every key."
                )
        return kind(**values)

    def _value(self, hint: Any, value: Any, *, path: str, name: str) -> Any:
        origin = typing.get_origin(hint)
        if origin in (typing.Union, types.UnionType):
            hint = next(item for item in typing.get_args(hint) if item is not type(None))
            origin = typing.get_origin(hint)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            if not isinstance(value, dict):
                raise self.fail(name, path, "must be a table", f"Write [{path}] and its keys.")
            return self._build(hint, value, path=path + ".", name=name)
        if origin is tuple:
            if not isinstance(value, list):
                raise self.fail(name, path, "must be a list", "Write it in square brackets.")
            item_hint = typing.get_args(hint)[0]
            return tuple(
                self._value(item_hint, item, path=f"{path}[{index}]", name=name)
                for index, item in enumerate(value)
            )
        if origin is not None and issubclass(origin, Mapping):
            if not isinstance(value, dict):
                raise self.fail(name, path, "must be a table", f"Write [{path}] and its keys.")
            item_hint = typing.get_args(hint)[1]
            return types.MappingProxyType(
                {
                    key: self._value(item_hint, item, path=f"{path}.{key}", name=name)
                    for key, item in value.items()
                }
            )
        if type(value) is not hint:
            raise self.fail(
                name,
                path,
                f"must be {_TOML_NAMES[hint]}, not {value!r}",
                "Strings are quoted, sizes are whole bytes, truth is true or false.",
            )
        return value

    def _check_sources(self, value: Any, *, path: str, name: str) -> None:
        for item in dataclasses.fields(value):
            inner = getattr(value, item.name)
            if dataclasses.is_dataclass(inner):
                self._check_sources(inner, path=f"{path}{item.name}.", name=name)
            elif isinstance(inner, Mapping):
                for key, entry in inner.items():
                    if dataclasses.is_dataclass(entry):
                        self._check_sources(entry, path=f"{path}{item.name}.{key}.", name=name)
            elif isinstance(inner, tuple):
                for index, entry in enumerate(inner):
                    if dataclasses.is_dataclass(entry):
                        self._check_sources(entry, path=f"{path}{item.name}[{index}].", name=name)
            elif item.name == "source" and not inner.strip():
                raise self.fail(
                    name, path + "source", "is empty", "Name the file, document or measurement."
                )


_SCHEMAS: dict[type[Any], Mapping[str, tuple[Any, bool]]] = {}


def _schema(kind: type[Any]) -> Mapping[str, tuple[Any, bool]]:
    """Return the keys of a table: the type of each, and whether it must be given.

    Resolving the annotations takes longer than all else here, so it is done once.
    """
    if kind not in _SCHEMAS:
        hints = typing.get_type_hints(kind)
        missing = dataclasses.MISSING
        _SCHEMAS[kind] = {
            item.name: (
                hints[item.name],
                item.default is missing and item.default_factory is missing,
            )
            for item in dataclasses.fields(kind)
        }
    return _SCHEMAS[kind]


_TOML_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    float: "a decimal number",
}
