"""The paths of the repository and its tests."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
REPO = TESTS.parent
