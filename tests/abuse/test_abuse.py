"""Some of what `make abuse` sends, beside innocent streams on the engine that the tests share."""

import asyncio

import pytest

from tests.abuse.requests import SHORT
from tests.abuse.run import abuse_all, faults
from tests.harness import Hearth


@pytest.mark.timeout(600)
def test_abusive_requests_hurt_nobody(hearth: Hearth) -> None:
    identity = hearth.identity()
    rows = asyncio.run(abuse_all(hearth, SHORT, print))
    assert len(rows) == 10
    assert faults(rows, SHORT) == []
    assert hearth.identity() == identity
