"""In CI nothing may be skipped: what a test needs is installed there, so a skip would hide that it is not."""

import os

import pytest

# Set before anything imports them: failures inside the public suite then say what differed.
pytest.register_assert_rewrite("runtime.testing.store_suite", "runtime.testing.store_items")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI refuses skipped tests", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
