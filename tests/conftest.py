"""One engine and one web tier for all tests that want a whole Hearth: a load costs what hundreds of requests cost.

And it says at the end of a run which request fields were shown to have their effect.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.harness import Hearth, serving, until


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = {name for mark in item.iter_markers("field") for name in mark.args}
        item.user_properties += [("field", name) for name in sorted(names)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    shown: Counter[object] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        shown.update(value for name, value in report.user_properties if name == "field")
    if shown:
        terminalreporter.section("fields whose effect was shown, and by how many tests")
        for name, tests in sorted(shown.items(), key=str):
            terminalreporter.write_line(f"{name:32}{tests:4}")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """For tests that leave the engine as they found it; use `hearth`, which checks that they do."""
    with serving(tmp_path_factory.mktemp("run")) as stack:
        yield stack


@pytest.fixture
def hearth(running: Hearth) -> Iterator[Hearth]:
    """The running Hearth. After the test, the same engine must live and hold no request."""
    identity = running.identity()
    yield running
    until(lambda: running.live() == 0, 5, "no request is live")
    assert running.identity() == identity, "the model was loaded again"
