"""The virtual environment: built from the lock file, and known to be whole or not.

``requirements.lock`` pins every version and holds every file's hash. A state file in the
environment says what it was built from; it is written "unfinished" first and "finished"
last, so that an environment whose making was cut short is never taken for a good one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps import ROOT, SetupError, run_checked_step, say

LOCK = ROOT / "requirements.lock"
PROJECT = ROOT / "pyproject.toml"
STATE = "edgekit-setup.json"
"""In the environment's folder; a folder that has none was not made here."""

_HINT = (
    "Check the network and the free space on the disk; behind a proxy or a mirror, set pip "
    "up for it. Then run the same command again: what was downloaded is kept."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A virtual environment that is wanted, whatever of it exists already.

    Without ``only_this_python`` one that was made with another supported version of
    Python will do.
    """

    folder: Path
    only_this_python: bool

    @property
    def python(self) -> Path:
        """The environment's own Python."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def is_ready(self) -> bool:
        """Return whether all packages and the project are in it."""
        return self.has_packages() and self._state().get("project") == self._project_key()

    def has_packages(self) -> bool:
        """Return whether all packages of the lock file are in it, and it still works."""
        state = self._state()
        if self.only_this_python and state.get("python") != _version():
            return False
        if state.get("packages") != self._packages_key():
            return False
        return self.python.exists()  # a link: gone with the Python that it was made with

    def check_is_ours(self) -> None:
        """Refuse a folder that holds something which was not made here.

        Raises:
            SetupError: It does.
        """
        if not self.folder.exists() or (self.folder / STATE).exists():
            return
        if not self.folder.is_dir() or any(self.folder.iterdir()):
            raise SetupError(
                f"{self.folder} was not made by this set-up, so it is not replaced.",
                "Remove it, or name another folder: make VENV=.venv-edgekit ...",
            )

    def make(self, lock: int | None) -> None:
        """Make it anew, with all packages of the lock file.

        Raises:
            SetupError: The folder can't be written, or a tool failed.
        """
        say(f"Making the Python environment {self.folder} (once; some minutes, some 3 GB)")
        try:
            self._clear()
        except OSError as error:
            raise SetupError(
                f"Can't make {self.folder}: {error.strerror}.",
                "Name a folder that you may write to: make VENV=FOLDER ...",
            ) from error
        run_checked_step(
            "python -m venv", [sys.executable, "-m", "venv", str(self.folder)], lock, hint=_HINT
        )
        self._pip(
            "pip install",
            "--require-hashes",
            "--only-binary=:all:",
            "--no-deps",  # the lock file is complete
            "--no-compile",  # most of it is never imported
            f"--requirement={LOCK}",
            lock=lock,
        )
        self._write_state(state="unfinished", packages=self._packages_key(), python=_version())

    def _clear(self) -> None:
        """Leave nothing in the folder but the state "unfinished", which is written first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_state(state="unfinished")
        for entry in self.folder.iterdir():
            if entry.name == STATE:  # without it the folder would not be ours
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def install_project(self, lock: int | None) -> None:
        """Install the checkout itself, editable, into the environment.

        Raises:
            SetupError: pip failed.
        """
        self._pip(
            "pip install --editable .",
            "--no-deps",
            "--no-build-isolation",
            f"--editable={ROOT}",
            lock=lock,
        )
        self._write_state(
            state="finished",
            packages=self._packages_key(),
            project=self._project_key(),
            python=self._state()["python"],
        )

    def _pip(self, title: str, *arguments: str, lock: int | None) -> None:
        pip = [str(self.python), "-m", "pip", "install", "--no-input", "--progress-bar=off"]
        run_checked_step(title, [*pip, "--disable-pip-version-check", *arguments], lock, hint=_HINT)

    def _packages_key(self) -> str:
        """Return a hash of what the packages in the environment depend on.

        The folder is among it, as the scripts in an environment name it.
        """
        sources = sorted(Path(__file__).parent.glob("*.py"))
        contents = [source.read_bytes() for source in (LOCK, *sources)]
        return _hash(str(self.folder).encode(), *contents)

    def _project_key(self) -> str:
        return _hash(self._packages_key().encode(), PROJECT.read_bytes())

    def _state(self) -> dict[str, Any]:
        """Return what the environment says of itself; nothing if there is none of ours."""
        try:
            state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def _write_state(self, **state: str) -> None:
        new = self.folder / f"{STATE}.new"
        new.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        new.replace(self.folder / STATE)


def _hash(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
