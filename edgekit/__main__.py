"""``python -m edgekit``: the same as the ``edgekit`` program."""

from edgekit.cli.main import run

if __name__ == "__main__":
    run()
