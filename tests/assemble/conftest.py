"""What the tests of the project's Python leave as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def modules_as_before(tmp_path: Path) -> Iterator[None]:
    """Leave nothing of the test's modules in `sys.modules`."""
    before = dict(sys.modules)
    yield
    for name in [name for name in sys.modules if name not in before]:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]
