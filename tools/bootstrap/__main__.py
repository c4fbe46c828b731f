"""Make this checkout ready for work: its virtual environment, and the programs it needs.

    python3 tools/bootstrap [--venv FOLDER] [--this-python]

The Makefile calls it before everything else, so it is quick, and silent, when there is
nothing to do. It needs nothing but Python's standard library.

Exit codes: 0 ready, 4 something is missing or could not be installed, 130 interrupted.

This file has to be readable by any Python 3, so that an old one can be told so.
"""

import os
import shutil
import subprocess
import sys

OLDEST_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 13)
"""pyproject.toml, requires-python; a test keeps the two together."""

EXIT_MISSING = 4


def find_python(only_this: bool) -> None:
    """Go on under a Python that EdgeKit supports, or say which ones those are and end."""
    if OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        return
    if not only_this:
        for minor in range(NEWEST_PYTHON[1], OLDEST_PYTHON[1] - 1, -1):
            other = shutil.which("python3.{}".format(minor))
            if other is not None and _works(other):  # pyenv has names for what it lacks
                os.execv(other, [other] + sys.argv)  # noqa: S606, RUF005 - no shell is wanted
    sys.stderr.write(
        "Error: EdgeKit needs Python {} to {}; {} is {}.\n"
        "Hint: Install one (Debian 12 and Ubuntu 22.04 and later have one; elsewhere from "
        "python.org, Homebrew, pyenv or 'uv python install 3.12') and name it: "
        "make PYTHON=python3.12 ...\n".format(
            ".".join(map(str, OLDEST_PYTHON)),
            ".".join(map(str, NEWEST_PYTHON)),
            sys.executable,
            ".".join(map(str, sys.version_info[:3])),
        )
    )
    sys.exit(EXIT_MISSING)


def _works(python: str) -> bool:
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        return subprocess.call([python, "-c", ""], stdout=nowhere, stderr=nowhere) == 0


if __name__ == "__main__":
    find_python(only_this="--this-python" in sys.argv)

    import setup_checkout  # which an old Python could not read

    sys.exit(setup_checkout.main())
