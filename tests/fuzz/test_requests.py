"""A short run of `make fuzz`, on the engine that the end-to-end tests share."""

import pytest

from tests.fuzz.run import fuzz
from tests.harness import Hearth

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("seed", [20260101])
def test_bad_requests_cost_nothing(hearth: Hearth, seed: int) -> None:
    before = hearth.web_log.read_text().count("Traceback")
    report = fuzz(hearth, seed, range(4000))
    print("\n".join(report.lines()))
    assert report.failures == []
    assert hearth.web_log.read_text().count("Traceback") == before
