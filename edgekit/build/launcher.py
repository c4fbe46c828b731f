"""Starts PlatformIO with short retries: ``python launcher.py run -d FOLDER``.

PlatformIO asks a registry that it can't reach again and again, and gives up after a
minute. This program is PlatformIO, but for that: it gives up after seconds. It runs as
a process of its own; EdgeKit never imports it, nor PlatformIO.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

CONNECT_SECONDS = 5
READ_SECONDS = 60
RETRIES = 2
BACKOFF_SECONDS = 0.5


def shorten_retries() -> None:
    """Let PlatformIO's registry client give up soon.

    A refused or unanswered connection is not retried, an error of the registry itself
    twice, after 0.5 and 1 s. The names are those of PlatformIO 6.2.0, platformio/http.py;
    a version without them keeps its own patience.
    """
    import platformio.http as http

    sessions: Any = getattr(http, "HTTPSessionIterator", None)
    if sessions is None:
        return
    original = sessions.__init__

    def impatient(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if hasattr(self, "retry"):
            self.retry = self.retry.new(
                total=RETRIES, connect=0, other=0, backoff_factor=BACKOFF_SECONDS
            )

    sessions.__init__ = impatient
    if hasattr(http, "__default_requests_timeout__"):
        http.__default_requests_timeout__ = (CONNECT_SECONDS, READ_SECONDS)


def main() -> int:
    """Run PlatformIO with our arguments and return its exit code."""
    here = Path(__file__).resolve().parent
    # Python puts a program's folder first, and in ours lies another platformio.py.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    from platformio.__main__ import main as platformio

    shorten_retries()
    return int(platformio(["platformio", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
