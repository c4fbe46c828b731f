"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).resolve().parent
PROJECT = TESTS.parent

if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

# The same examples on every machine and in every run; seek new ones with
# HYPOTHESIS_PROFILE=explore.
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def shared_models() -> Path:
    """Return the folder of the reference models; skip where it is absent."""
    folder = PROJECT.parent / "shared" / "data" / "models"
    if not folder.is_dir():
        pytest.skip("the reference models are absent")
    return folder


@pytest.fixture(scope="session")
def child_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment for child processes: EdgeKit's cache is one of this session.

    Workers of one session share it, so that tools are prepared once.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    cache = folder / "edgekit-cache"
    cache.mkdir(exist_ok=True)
    return {**os.environ, "EDGEKIT_CACHE_DIR": str(cache)}
