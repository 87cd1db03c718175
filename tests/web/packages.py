"""The client's sources and its npm packages, for the tests that build something with them."""

from __future__ import annotations

import os
from pathlib import Path

WEB = Path(__file__).parents[2] / "web"
MODULES = Path(os.environ.get("CHATKIT_TEST_WEB_MODULES") or WEB / "node_modules")
HOW_TO_GET_THEM = "`npm ci --ignore-scripts` in web, or CHATKIT_TEST_WEB_MODULES"
