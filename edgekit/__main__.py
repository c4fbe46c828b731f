"""The ``edgekit`` program; ``python -m edgekit`` is the same."""

import sys


def run() -> None:
    """Run the command line and end the process with its exit code.

    An interruption while the command line is still being loaded is one too.
    """
    try:
        from edgekit.cli.main import main
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(main())


if __name__ == "__main__":
    run()
