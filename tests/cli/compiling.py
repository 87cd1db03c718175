"""TypeScript's own compiler, from the node_modules that CI installs of tests/browser/package.json."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

MODULES = "CHATKIT_TEST_NODE_MODULES"
OPTIONS = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "verbatimModuleSyntax": True,
    "target": "es2022",
    "module": "esnext",
    "moduleResolution": "bundler",
    "allowJs": True,
    "checkJs": True,
    "noEmitOnError": True,
    "types": [],
}


def missing(reason: str) -> NoReturn:
    """Skip the test for want of a program; where CI has to have it, fail."""
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def compile_folder(folder: Path, *, emit: Path | None = None) -> list[tuple[str, int, str]]:
    """Compile all TypeScript and JavaScript of a folder; gives the file, the line and the words of each mistake."""
    modules, node = os.environ.get(MODULES), shutil.which("node")
    if not modules or node is None:
        missing(f"TypeScript is missing: `npm ci` in a copy of tests/browser, and {MODULES}=…/node_modules")
    link = folder / "node_modules"
    if not link.exists():
        link.symlink_to(Path(modules).resolve(), target_is_directory=True)
    options: dict[str, Any] = {**OPTIONS, **({"noEmit": True} if emit is None else {"outDir": str(emit)})}
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["*.ts", "*.js"]}))
    compiler = str(link / "typescript" / "bin" / "tsc")
    ran = subprocess.run(
        [node, compiler, "-p", str(folder), "--pretty", "false"], capture_output=True, text=True, check=False
    )
    found = re.findall(r"^(\S+?)\((\d+),\d+\): (error TS\d+: .*(?:\n .*)*)", ran.stdout, re.MULTILINE)
    assert bool(found) == bool(ran.returncode), ran.stdout + ran.stderr
    return [(Path(file).name, int(line), words) for file, line, words in found]
