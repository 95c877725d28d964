"""Finds the browser that the tests open pages in."""

import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium_or_skip() -> str:
    """The program; a test that calls this is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"there is no {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    return found
