"""The launcher, in processes of its own: it is PlatformIO, but for its patience."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

from edgekit.build import launcher

LAUNCHER = Path(launcher.__file__)

ASK = """\
import json, runpy, sys
from platformio.http import HTTPSessionIterator
import platformio.http
def retry():
    retry = HTTPSessionIterator("https://example.org").retry
    return [retry.total, retry.connect, retry.backoff_factor, 503 in retry.status_forcelist]
before = retry()
runpy.run_path(sys.argv[1])["shorten_retries"]()
print(json.dumps([before, retry(), list(platformio.http.__default_requests_timeout__)]))
"""


def test_it_runs_platformio_itself_and_not_the_module_beside_it(tmp_path):
    done = subprocess.run(
        [sys.executable, LAUNCHER, "--version"],
        cwd=tmp_path,
        env={**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path / "core")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert importlib.metadata.version("platformio") in done.stdout


def test_it_gives_up_sooner_than_platformio_would_and_still_on_the_same_answers(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ASK, LAUNCHER],
        cwd=tmp_path,
        env={**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path / "core")},
        capture_output=True,
        text=True,
        check=True,
    )
    before, after, timeout_seconds = json.loads(done.stdout)
    assert before[0] > launcher.RETRIES  # or there is nothing left to shorten
    assert after == [launcher.RETRIES, 0, launcher.BACKOFF_SECONDS, before[3]]
    assert timeout_seconds == [launcher.CONNECT_SECONDS, launcher.READ_SECONDS]


def test_platformios_exit_code_is_its_own(tmp_path):
    done = subprocess.run(
        [sys.executable, LAUNCHER, "run", "--project-dir", tmp_path],
        env={**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path / "core")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "NotPlatformIOProjectError" in done.stderr
