"""openai-chatkit's own tests, from its source distribution, against our server, store and stream (see `replacements`).

`pip download --no-binary :all: --no-deps openai-chatkit==VERSION` gets the distribution; CHATKIT_TEST_OPENAI names the
archive. Its tests are not part of this repository. Those that fail on purpose are in `expected.yaml`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

HERE = Path(__file__).parent
DIFFERENCES = HERE.parents[1] / "docs" / "sdk-differences.md"
ARCHIVE = os.environ.get("CHATKIT_TEST_OPENAI")
EXPECTED: dict[str, dict[str, str]] = yaml.safe_load((HERE / "expected.yaml").read_text())
FILES = [*EXPECTED]
BEGIN, END = "<!-- openai's tests -->", "<!-- end -->"


def _unpack(archive: Path, folder: Path) -> None:
    (folder / "tests").mkdir()
    with tarfile.open(archive) as tar:
        for name in FILES:
            [member] = [each for each in tar.getmembers() if each.name.endswith(f"/tests/{name}")]
            content = tar.extractfile(member)
            assert content is not None
            (folder / "tests" / name).write_bytes(content.read())


def _outcomes(report: Path) -> dict[str, dict[str, bool]]:
    """Return whether each test has failed, by its file and its name; those with parameters count as one."""
    failed: dict[str, dict[str, bool]] = {name: {} for name in FILES}
    for case in ElementTree.parse(report).iter("testcase"):
        of_file = failed[f"{case.attrib['classname'].split('.')[1]}.py"]
        name = case.attrib["name"].partition("[")[0]
        bad = case.find("failure") is not None or case.find("error") is not None
        of_file[name] = of_file.get(name, False) or bad
    return failed


@pytest.mark.skipif(not ARCHIVE, reason="CHATKIT_TEST_OPENAI names no source distribution of openai-chatkit")
def test_openais_own_tests_pass_but_for_the_differences(tmp_path: Path) -> None:
    _unpack(Path(str(ARCHIVE)).resolve(), tmp_path)
    report = tmp_path / "report.xml"
    options = ["-p", "replacements", "-p", "no:xdist", "-p", "no:cacheprovider", "-W", "ignore", "-o", "pythonpath=."]
    files = [f"tests/{name}" for name in FILES]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        *options,
        "-o",
        "asyncio_mode=auto",
        f"--junitxml={report}",
        *files,
    ]
    environ = {**os.environ, "PYTHONPATH": str(HERE)}
    ran = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert report.exists(), ran.stdout + ran.stderr
    outcomes = _outcomes(report)
    assert min(map(len, outcomes.values())) > 10
    failed = {name: sorted(test for test, bad in tests.items() if bad) for name, tests in outcomes.items()}
    assert failed == {name: sorted(tests) for name, tests in EXPECTED.items()}, ran.stdout


def test_each_failing_test_has_a_row_in_the_differences() -> None:
    page = DIFFERENCES.read_text("utf-8")
    rows = set(re.findall(r'<a id="([a-z-]+)"></a>', page))
    assert {row for tests in EXPECTED.values() for row in tests.values()} <= rows


def test_the_page_lists_the_cases_that_fail() -> None:
    lines = ["| test of openai-chatkit | row |", "|---|---|"]
    for name, tests in EXPECTED.items():
        lines += [f"| `{name}`: `{test}` | [{row}](#{row}) |" for test, row in tests.items()]
    page = DIFFERENCES.read_text("utf-8")
    before, found, rest = page.partition(BEGIN)
    assert found
    after = rest.partition(END)[2]
    expected = f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}"
    if os.environ.get("UPDATE_EXPECTED"):
        DIFFERENCES.write_text(expected, encoding="utf-8")
    assert page == expected, "run UPDATE_EXPECTED=1 python3 dev.py test tests/openai_chatkit"
