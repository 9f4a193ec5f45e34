"""Says at the end of a run which request fields were shown to have their effect."""

from collections import Counter

import pytest


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
