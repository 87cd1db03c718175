"""Other changes of a project are seen, what is no change is not, and nothing ends the watching."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from watchfiles._rust_notify import RustNotify

from runtime.autoreload.watch_set import ProjectPaths, WatchSet, find_watch_set
from runtime.autoreload.watcher import Watcher
from runtime.sdk_internals import open_watch
from tests.autoreload.conftest import FILES
from tests.autoreload.watching import PATIENCE_S, Calls, Detection, Listener, watching


async def test_a_file_that_was_missing_is_seen_when_it_comes_and_when_it_goes(
    project: Path, detection: Detection
) -> None:
    async with watching(project, FILES, detection) as at:
        for text in ("A=1\n", "A=12\n"):
            (project / ".env").write_text(text)
            await at.calls.saw(".env", text)
        (project / ".env").unlink()
        await at.calls.saw(".env", None)


async def test_a_file_in_a_folder_that_was_missing_is_seen(project: Path, detection: Detection) -> None:
    async with watching(project, [*FILES, "widgets/cards/one.widget"], detection) as at:
        widget = project / "widgets" / "cards" / "one.widget"
        widget.parent.mkdir(parents=True)
        widget.write_text("one")
        await at.calls.saw("widgets/cards/one.widget", "one")
        widget.write_text("another")
        await at.calls.saw("widgets/cards/one.widget", "another")


@pytest.mark.parametrize("pattern", ["teams/*.yaml", "teams/*/agents.yaml", "**/agents.yaml", "*/east/[a-z]*.yaml"])
async def test_a_file_that_fits_a_pattern_is_seen_when_it_comes_and_when_it_goes(
    project: Path, detection: Detection, pattern: str
) -> None:
    async with watching(project, FILES, detection, patterns=[pattern]) as at:
        file = project / ("teams/agents.yaml" if pattern == "teams/*.yaml" else "teams/east/agents.yaml")
        file.parent.mkdir(parents=True)
        for text in ("one", "another"):
            file.write_text(text)
            await at.calls.saw(file.relative_to(project).as_posix(), text)
        file.unlink()
        await at.calls.saw(file.relative_to(project).as_posix(), None)


async def test_a_new_module_is_seen_before_anybody_has_read_it(project: Path, detection: Detection) -> None:
    async with watching(project, FILES, detection) as at:
        (project / "tools" / "news.py").write_text("1\n")
        await at.calls.saw("tools/news.py", "1\n")
        (project / "tools" / "news.py").write_text("22\n")
        await at.calls.saw("tools/news.py", "22\n")
        (project / "tools" / "news.py").unlink()
        await at.calls.saw("tools/news.py", None)


async def test_a_new_package_is_seen_however_deep(project: Path, detection: Detection) -> None:
    async with watching(project, FILES, detection) as at:
        package = project / "shop" / "orders"
        package.mkdir(parents=True)
        (package / "lines.py").write_text("1\n")
        await at.calls.saw("shop/orders/lines.py", "1\n")
        (package / "lines.py").write_text("22\n")
        await at.calls.saw("shop/orders/lines.py", "22\n")
        os.rename(project / "shop", project / "store")
        await at.calls.saw("store/orders/lines.py", "22\n")
        (project / "store" / "orders" / "lines.py").write_text("333\n")
        await at.calls.saw("store/orders/lines.py", "333\n")


async def test_a_folder_that_was_deleted_is_watched_again_when_it_is_back(project: Path, detection: Detection) -> None:
    async with watching(project, FILES, detection) as at:
        for number in range(3):
            shutil.rmtree(project / "prompts")
            await at.calls.saw("prompts/helper.md", None)
            (project / "prompts").mkdir()
            for text in (f"back {number}", f"and edited {number}"):
                (project / "prompts" / "helper.md").write_text(text)
                await at.calls.saw("prompts/helper.md", text)


async def test_a_folder_that_is_made_anew_at_once_is_watched_again(project: Path, detection: Detection) -> None:
    async with watching(project, FILES, detection) as at:
        for number in range(3):
            shutil.rmtree(project / "prompts")
            (project / "prompts").mkdir()
            for text in (f"anew {number}", f"and edited {number}"):
                (project / "prompts" / "helper.md").write_text(text)
                await at.calls.saw("prompts/helper.md", text)


@pytest.mark.parametrize("name", ["prompts/helper.md", "prompt-texts/in-english/helper.md"])
async def test_a_folder_that_is_replaced_by_another_is_watched_again(
    name: str, project: Path, detection: Detection
) -> None:
    file, top = project / name, project / Path(name).parts[0]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("old")
    async with watching(project, [*FILES, name], detection) as at:
        new = project / "new-one"
        shutil.copytree(top, new)
        (new / Path(name).relative_to(top.name)).write_text("new!")
        os.rename(top, project / "old-one")
        os.rename(new, top)
        await at.calls.saw(name, "new!")
        file.write_text("edited")
        await at.calls.saw(name, "edited")


async def test_the_project_folder_itself_may_go_and_come_back(project: Path, detection: Detection) -> None:
    async with watching(project, FILES, detection) as at:
        aside = project.with_name("aside")
        os.rename(project, aside)
        await at.calls.saw("agents.yaml", None)
        (aside / "agents.yaml").write_text("# aside\n")
        os.rename(aside, project)
        await at.calls.saw("agents.yaml", "# aside\n")
        (project / "agents.yaml").write_text("# and back\n")
        await at.calls.saw("agents.yaml", "# and back\n")


async def test_a_link_above_the_project_that_leads_elsewhere_is_seen(tmp_path: Path, detection: Detection) -> None:
    """A deployment puts the next release beside the last, and turns `current` to it."""
    for number in (1, 2):
        release = tmp_path / "releases" / str(number) / "app"
        release.mkdir(parents=True)
        (release / "agents.yaml").write_text(f"# release {number}\n")
    current = tmp_path / "current"
    current.symlink_to(Path("releases", "1"))
    async with watching(current / "app", ["agents.yaml"], detection) as at:
        following = tmp_path / "following"
        following.symlink_to(Path("releases", "2"))
        os.rename(following, current)
        await at.calls.saw("agents.yaml", "# release 2\n")
        (tmp_path / "releases" / "2" / "app" / "agents.yaml").write_text("# edited\n")
        await at.calls.saw("agents.yaml", "# edited\n")


async def test_what_a_link_leads_to_is_watched_where_it_lies(
    project: Path, tmp_path: Path, detection: Detection
) -> None:
    shared = tmp_path / "shared" / "house.md"
    shared.parent.mkdir()
    shared.write_text("house rules")
    (project / "prompts" / "house.md").symlink_to(shared)
    async with watching(project, [*FILES, "prompts/house.md"], detection) as at:
        shared.write_text("other rules!")
        await at.calls.saw("prompts/house.md", "other rules!")


async def test_a_file_that_the_project_begins_to_name_is_watched_from_then_on(
    project: Path, detection: Detection
) -> None:
    (project / "texts").mkdir()
    (project / "texts" / "late.md").write_text("unnamed")
    async with watching(project, FILES, detection) as at:
        at.files.add(project / "texts" / "late.md")
        (project / "agents.yaml").write_text("# names texts/late.md\n")
        await at.calls.saw("agents.yaml", "# names texts/late.md\n")
        (project / "texts" / "late.md").write_text("named")
        await at.calls.saw("texts/late.md", "named")


async def test_a_change_during_a_call_leads_to_another_call(project: Path, detection: Detection) -> None:
    begun, gate = asyncio.Queue[None](), asyncio.Event()
    calls = Calls(project)

    async def changed() -> None:
        begun.put_nowait(None)
        await calls()
        await gate.wait()

    async with watching(project, FILES, detection, changed, calls), asyncio.timeout(PATIENCE_S):
        (project / "agents.yaml").write_text("# the first edit\n")
        await begun.get()
        (project / "agents.yaml").write_text("# during the call\n")
        gate.set()
        await calls.saw("agents.yaml", "# during the call\n")


async def test_an_edit_between_a_file_being_read_and_being_watched_leads_to_another_call(
    project: Path, detection: Detection
) -> None:
    """The call reads a file that is not watched yet, and the file changes before the call is over."""
    (project / "late.md").write_text("as it was read")
    calls = Calls(project)

    async def changed() -> None:
        await calls()
        if at.files.isdisjoint([project / "late.md"]):
            at.files.add(project / "late.md")
            (project / "late.md").write_text("edited behind its back")

    async with watching(project, FILES, detection, changed, calls) as at:
        (project / "agents.yaml").write_text("# names late.md\n")
        await calls.saw("late.md", "edited behind its back")


async def test_an_edit_that_stat_does_not_show_is_seen_by_its_event(project: Path) -> None:
    """Two edits of one size within one tick of the file system's clock."""

    def without_stamps(paths: ProjectPaths) -> WatchSet:
        watch_set = find_watch_set(paths)
        return replace(watch_set, stamps=dict.fromkeys(watch_set.stamps, (0,)))

    calls, empty = Calls(project), project / "empty"

    async def changed() -> None:
        await calls()
        if not empty.exists():
            # The folders to watch differ after this call, and that must not lose what else has happened in it.
            empty.mkdir()
            (project / "agents.yaml").write_text("# during the call\n")

    async with watching(project, FILES, Detection(find_watch_set=without_stamps), changed, calls):
        (project / "agents.yaml").write_text("# 1\n")
        await calls.saw("agents.yaml", "# during the call\n")
        for text in ("# 2\n", "# 3\n"):
            (project / "agents.yaml").write_text(text)
            await calls.saw("agents.yaml", text)


async def test_a_change_just_before_the_watching_begins_is_seen(project: Path) -> None:
    """A new package is looked at while it is empty, and gets its first module before it is watched."""
    package = project / "shop"

    def slow(folders: list[str]) -> RustNotify:
        if package.exists() and not any(package.iterdir()):
            (package / "orders.py").write_text("1\n")
        return open_watch(folders)

    async with watching(project, FILES, Detection(open_watch=slow)) as at:
        package.mkdir()
        await at.calls.saw("shop/orders.py", "1\n")


@pytest.mark.parametrize("error", [RuntimeError("broken"), asyncio.CancelledError()])
async def test_a_call_that_fails_is_logged_and_the_next_edit_is_seen(
    error: BaseException, project: Path, detection: Detection, caplog: pytest.LogCaptureFixture
) -> None:
    calls, failed = Calls(project), asyncio.Event()

    async def changed() -> None:
        if not failed.is_set():
            failed.set()
            raise error
        await calls()

    async with watching(project, FILES, detection, changed, calls), asyncio.timeout(PATIENCE_S):
        (project / "agents.yaml").write_text("# 1\n")
        await failed.wait()
        (project / "agents.yaml").write_text("# 22\n")
        await calls.saw("agents.yaml", "# 22\n")
    assert [record.name for record in caplog.records if "watching continues" in record.message] == ["runtime.reload"]


async def test_what_goes_wrong_elsewhere_is_logged_and_the_watching_goes_on(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen, failures = asyncio.Event(), iter(range(3))

    async def changed() -> None:
        if (project / "agents.yaml").read_text() == "# seen\n":
            seen.set()

    def paths() -> ProjectPaths:
        if next(failures, None) is not None:
            raise RuntimeError("nobody knows")
        return ProjectPaths(project, frozenset([project / "agents.yaml"]))

    watcher = Watcher(paths, changed, poll_s=0.01)
    task = asyncio.create_task(watcher.run())
    async with asyncio.timeout(PATIENCE_S):
        await watcher.ready.wait()
        (project / "agents.yaml").write_text("# seen\n")
        await seen.wait()
    await _cancel(task)
    assert [record.exc_text.splitlines()[-1] for record in caplog.records if record.exc_text] == [
        "RuntimeError: nobody knows"
    ] * 3


async def test_cancelling_ends_a_wait_and_every_thread(project: Path) -> None:
    listener = Listener()
    before, watching_before = set(threading.enumerate()), len(_notify_threads())
    async with watching(project, FILES, Detection(open_watch=listener)) as at:
        mine = [thread for thread in threading.enumerate() if thread.name.startswith("watch-files")]
        await listener.waiting()
        await _cancel(at.task)
        assert len(mine) == 1
        assert before.isdisjoint(mine)
        await asyncio.to_thread(mine[0].join, PATIENCE_S)
        assert not mine[0].is_alive()
        async with asyncio.timeout(PATIENCE_S):
            while len(_notify_threads()) > watching_before:  # noqa: ASYNC110 - Rust's thread has nothing to wait on
                await asyncio.sleep(0.01)


async def test_cancelling_during_a_call_ends_the_call(project: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def changed() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with watching(project, FILES, changed=changed) as at, asyncio.timeout(PATIENCE_S):
        (project / "agents.yaml").write_text("# 1\n")
        await begun.wait()
        await _cancel(at.task)
        assert ended.is_set()


async def test_a_limit_of_the_system_is_logged_once_and_scans_take_over_until_it_is_lifted(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    resource = pytest.importorskip("resource")
    is_lifted, is_open = threading.Event(), threading.Event()

    def limited(folders: list[str]) -> RustNotify:
        if is_lifted.is_set():
            is_open.set()
            return open_watch(folders)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            return open_watch(folders)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    caplog.set_level(logging.INFO, "runtime.reload")
    async with watching(project, FILES, Detection(0.01, limited)) as at:
        for number in range(3):
            (project / "agents.yaml").write_text(f"# {'.' * number}\n")
            await at.calls.saw("agents.yaml", f"# {'.' * number}\n")
        warnings = [record.getMessage() for record in caplog.records]
        assert len(warnings) == 1
        assert os.strerror(errno.EMFILE) in warnings[0]
        assert "fs.inotify.max_user_watches" in warnings[0]
        is_lifted.set()
        assert await asyncio.to_thread(is_open.wait, PATIENCE_S)
        (project / "agents.yaml").write_text("# lifted\n")
        await at.calls.saw("agents.yaml", "# lifted\n")
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_change_without_an_event_is_seen_by_a_scan(project: Path) -> None:
    """As on a network mount, where what another machine writes is no event of this one."""

    class Deaf:
        def __init__(self, folders: list[str]) -> None:
            pass

        def watch(self, debounce_ms: int, step_ms: int, timeout_ms: int, stop: threading.Event | None) -> str:
            if stop is not None:
                stop.wait(timeout_ms / 1000)
            return "timeout"

        def close(self) -> None:
            return

    async with watching(project, FILES, Detection(0.01, Deaf)) as at:
        for text in ("# 1\n", "# 22\n"):
            (project / "agents.yaml").write_text(text)
            await at.calls.saw("agents.yaml", text)


async def test_events_that_break_down_are_opened_again(project: Path) -> None:
    opened = threading.Semaphore(0)

    def breaking(folders: list[str]) -> RustNotify:
        notify = open_watch(folders)
        if opened.acquire(blocking=False):
            opened.release()
        else:
            notify.close()  # whoever waits for its events gets an error
        opened.release()
        return notify

    async with watching(project, FILES, Detection(0.01, breaking)) as at:
        for _ in range(2):
            assert await asyncio.to_thread(opened.acquire, timeout=PATIENCE_S)
        (project / "agents.yaml").write_text("# seen\n")
        await at.calls.saw("agents.yaml", "# seen\n")


async def test_names_that_no_file_can_have_disturb_nothing(project: Path, detection: Detection) -> None:
    bad = ["nul\0.md", "surrogate\ud800.md", "x" * 5000, "agents.yaml/below.md", "prompts", "."]
    loop = project / "loop.md"
    loop.symlink_to("loop.md")
    async with watching(project, [*FILES, *bad, "loop.md"], detection) as at:
        (project / "agents.yaml").write_text("# seen\n")
        await at.calls.saw("agents.yaml", "# seen\n")
        loop.unlink()
        loop.write_text("a file now")
        await at.calls.saw("loop.md", "a file now")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are always text")
async def test_a_file_whose_name_is_no_text_disturbs_nothing(project: Path, detection: Detection) -> None:
    latin = project / os.fsdecode(b"caf\xe9")
    latin.mkdir()
    (latin / "menu.md").write_text("tea")
    async with watching(project, [*FILES, f"{latin.name}/menu.md"], detection) as at:
        for number in range(3):
            (project / os.fsdecode(b"caf\xe9.txt")).write_text("noise")
            (project / "agents.yaml").write_text(f"# {'.' * number}\n")
            await at.calls.saw("agents.yaml", f"# {'.' * number}\n")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        async with asyncio.timeout(PATIENCE_S):
            await task


def _notify_threads() -> list[str]:
    """The threads of the library that events come from; they are not Python's, so only Linux can name them."""
    found = []
    for comm in Path("/proc/self/task").glob("*/comm"):
        with suppress(OSError):
            found.append(comm.read_text())
    return [name for name in found if name.startswith("notify-rs")]
