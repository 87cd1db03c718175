#!/usr/bin/env python3
"""Audit the locked requirements by an advisory database; where none can be reached, say how old the lock is.

python .ci/audit.py            needs uv; exits 1 for a known vulnerability, 0 where no database can be reached
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "runtime.txt"
OLD_DAYS = 45
AUDIT = ["uvx", "pip-audit", "--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off"]


def main() -> int:
    """Print what was found; return the exit code."""
    try:
        done = subprocess.run([*AUDIT, "-r", str(LOCK)], capture_output=True, text=True, timeout=120, check=False)
        packages = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError):
        print("audit: no advisory database can be reached; only the age of the lock is checked")
        return _check_age()
    vulnerable = [package for package in packages if package.get("vulns")]
    for package in vulnerable:
        print(f"audit: {package['name']} {package['version']}: {', '.join(each['id'] for each in package['vulns'])}")
    print(f"audit: {len(packages)} packages, {len(vulnerable)} with known vulnerabilities")
    return 1 if vulnerable else 0


def _check_age() -> int:
    shown = subprocess.run(
        ["git", "log", "-1", "--format=%ct", "--", str(LOCK)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if not shown.stdout.strip():
        print("audit: the age of the lock is unknown, because there is no git history")
        return 0
    days = (datetime.now(UTC) - datetime.fromtimestamp(int(shown.stdout), UTC)).days
    advice = " (run `python3 dev.py lock`)" if days > OLD_DAYS else ""
    print(f"audit: requirements/{LOCK.name} is {days} days old{advice}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
