"""axe-core in a page: the elements that break a rule for people with assistive technology or low vision."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Frame, Page

from tests.cli.compiling import missing
from tests.web.packages import HOW_TO_GET_THEM, MODULES


def violations(place: Frame | Page, *rules: str) -> list[str]:
    """Return what axe-core finds that is serious or critical, with the elements; of some rules only, where named."""
    script = MODULES / "axe-core" / "axe.min.js"
    if not script.is_file():
        missing(f"axe-core is missing: {HOW_TO_GET_THEM}")
    if not place.evaluate("'axe' in window"):
        place.evaluate(script.read_text())
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    found = place.evaluate("(options) => axe.run(options).then((result) => JSON.stringify(result.violations))", options)
    return [
        f"{rule['id']}: {node['html'][:150]}: {node['failureSummary'][:200]}"
        for rule in json.loads(found)
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
