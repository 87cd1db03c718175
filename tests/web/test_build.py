"""The committed build of the web client: how large it is, what it loads, and what it is made of."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB, BUILT = ROOT / "web", ROOT / "runtime" / "server" / "web"
NAMES = sorted(path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*") if path.is_file())
TEXTS = [name for name in NAMES if name.endswith((".js", ".css", ".html", ".svg"))]
KB = 1000
LAZY = ("katex", "lucide-")
"""Parts that few chats load: formulas, and the icons that `lucide:` names."""


def size(*names: str) -> int:
    """Return the bytes of files, each compressed as the server does."""
    return sum(len(gzip.compress((BUILT / name).read_bytes(), mtime=0)) for name in names)


def first_view(page: str) -> list[str]:
    """Return the files that a page loads before it shows something: those that it names, and what they import."""
    html = (BUILT / page).read_text()
    found = [name.removeprefix("./") for name in re.findall(r'(?:src|href)="(\./[^"]+\.(?:js|css))"', html)]
    for name in found:
        if name.startswith("assets/") and name.endswith(".js"):
            text = (BUILT / name).read_text()
            imports = re.findall(r'(?:\bfrom|\bimport)\s*"\./([^"]+\.js)"', text)
            found += [f"assets/{each}" for each in imports if f"assets/{each}" not in found]
    return found


def test_the_first_view_needs_few_bytes() -> None:
    loaded = {"element.js", *first_view("page.html"), *first_view("frame.html")}
    scripts, styles = (sorted(name for name in loaded if name.endswith(end)) for end in (".js", ".css"))
    assert len(scripts) >= 3
    assert styles
    assert size(*scripts) <= 100 * KB, scripts
    assert size(*styles) <= 17 * KB, styles
    assert len(loaded) <= 8, "requests before the first view"


def test_a_page_that_embeds_the_chat_loads_a_small_script() -> None:
    assert size("element.js") < 3 * KB


@pytest.mark.parametrize(("part", "scripts", "styles"), [("WidgetView", 20, 4.3), ("Markdown", 17, 1.5)])
def test_what_is_loaded_with_the_first_answer_is_small(part: str, scripts: float, styles: float) -> None:
    for end, limit in ((".js", scripts), (".css", styles)):
        files = [name for name in NAMES if name.startswith(f"assets/{part}-") and name.endswith(end)]
        assert len(files) == 1
        assert size(*files) <= limit * KB, files


def test_the_wheel_grows_little() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name in NAMES:
            wheel.write(BUILT / name, name)
    assert len(packed.getvalue()) <= 450 * KB
    raw = {name: (BUILT / name).stat().st_size for name in NAMES}
    assert sum(bytes_ for name, bytes_ in raw.items() if not any(part in name for part in LAZY)) <= 800 * KB


@pytest.mark.parametrize("page", ["frame.html", "page.html"])
def test_a_page_has_no_inline_code_and_names_files_of_the_build_alone(page: str) -> None:
    html = (BUILT / page).read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)
    addresses = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert addresses
    for address in addresses:
        assert address.startswith("./"), address
        assert address.removeprefix("./") in NAMES, address


@pytest.mark.parametrize("name", [name for name in TEXTS if name.endswith(".css")])
def test_style_sheets_load_nothing_from_elsewhere(name: str) -> None:
    text = (BUILT / name).read_text()
    assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//", text)


@pytest.mark.parametrize("name", [name for name in TEXTS if name.endswith(".js")])
def test_scripts_make_no_code_of_text(name: str) -> None:
    text = (BUILT / name).read_text()
    assert not re.search(r"\beval\(|new Function\(|document\.write\(|\.insertAdjacentHTML\(|sourceMappingURL", text)


@pytest.mark.parametrize("name", TEXTS)
def test_the_build_names_no_folder_of_the_machine_that_made_it(name: str) -> None:
    assert not re.search(r"/(?:home|tmp|root|Users|work)/|node_modules/", (BUILT / name).read_text())


def test_hashed_names_alone_are_in_the_folder_that_browsers_keep() -> None:
    assets = [name for name in NAMES if name.startswith("assets/")]
    assert assets
    for name in assets:
        assert re.fullmatch(r"assets/[\w.-]+-[\w-]{8}\.(js|css|svg|woff2|ttf|woff)", name), name
    assert [name for name in NAMES if "/" not in name] == ["element.js", "frame.html", "licenses.txt", "page.html"]


def test_the_packages_are_locked_by_their_content_and_by_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 100
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if not {"integrity", "inBundle"} & {*entry}] == []
    for file in (WEB / "package-lock.json", WEB / "package.json", WEB / ".npmrc"):
        assert "registry." not in file.read_text()


def test_everything_that_is_bundled_has_its_licence() -> None:
    text = (BUILT / "licenses.txt").read_text()
    listed = re.findall(r"^(\S+) \d\S* \((\S+)\)$", text, re.MULTILINE)
    assert {licence for _, licence in listed} <= {"MIT", "0BSD", "ISC", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause"}
    needed = json.loads((WEB / "package.json").read_text())["dependencies"]
    assert {*needed, "tailwindcss", "scheduler"} <= {name for name, _ in listed}
