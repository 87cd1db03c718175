"""In CI nothing may be skipped: what a test needs is installed there, so a skip would hide that it is not."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A slow machine is no failure.
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")

# `nohup` and background jobs ignore these signals, and child processes would inherit that; tests send them.
for _signal in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, signal.default_int_handler if _signal is signal.SIGINT else signal.SIG_DFL)

# Set before anything imports them: failures inside the public suite then say what differed.
pytest.register_assert_rewrite("runtime.testing.store_suite", "runtime.testing.store_items")


# The same on every Python: CI leaves them out on all but the oldest one (-m "not once").
ONCE = (
    "benchmarks",
    "validation",
    "cli/test_app.py",
    "cli/test_build_check.py",
    "cli/test_built_configs.py",
    "cli/test_chat",
    "cli/test_client",
    "cli/test_connect.py",
    "cli/test_draw.py",
    "cli/test_explain.py",
    "cli/test_frames.py",
    "cli/test_init.py",
    "cli/test_typescript.py",
    "cli/test_validate",
    "config",
    "diagnostics",
    "docs",
    "documents",
    "examples/test_counts.py",
    "json_schema",
    "autoreload/test_soak.py",
    "static_analysis",
    "templates",
    "web",
    "widgets",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).as_posix().startswith(ONCE):
            item.add_marker(pytest.mark.once)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI refuses skipped tests", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def modules_as_before(tmp_path: Path) -> Iterator[None]:
    """Leave nothing of the test's modules in `sys.modules`."""
    before = dict(sys.modules)
    yield
    for name in [name for name in sys.modules if name not in before]:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the statements that SQLite stores run from now on."""
    from runtime.stores.sqlite import PreparedStatements

    carried_out: list[str] = []
    get = PreparedStatements.get

    def note(self: PreparedStatements, *args: Any) -> Any:
        ready = get(self, *args)
        carried_out.append(ready.text)
        return ready

    monkeypatch.setattr(PreparedStatements, "get", note)
    return carried_out
