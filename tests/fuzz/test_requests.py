"""A short run of `make fuzz`, on the engine that the end-to-end tests share."""

import pytest

from tests.fuzz.requests import make
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


def test_a_seed_and_a_number_make_the_same_request_again() -> None:
    numbers = range(300)
    assert [make(5, number) for number in numbers] == [make(5, number) for number in reversed(numbers)][::-1]
