"""Some of what `make abuse` sends, beside innocent streams on the engine that the tests share."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.abuse.requests import ALL, SHORT
from tests.abuse.run import INNOCENTS, MOST_GAP, Innocents, Row, check_nobody_is_hurt
from tests.harness import Hearth


@pytest.mark.timeout(600)
def test_abusive_requests_hurt_nobody(hearth: Hearth) -> None:
    check_nobody_is_hurt(hearth, SHORT)


def test_make_abuse_sends_many_and_each_has_a_name_of_its_own() -> None:
    assert len(ALL) >= 200
    assert len({abuse.name for abuse in ALL}) == len(ALL)


@pytest.mark.parametrize(("gap", "faults"), [(MOST_GAP - 1, 0), (MOST_GAP + 1, 1)])
def test_an_innocent_that_waits_for_long_is_hurt(gap: float, faults: int) -> None:
    row = Row(ALL[0].name, ALL[0].statuses[0], seconds=1.0, gap=gap, errors=0, peak=0.0, kept=0.0, slow=[])
    assert len(list(row.faults(ALL[0]))) == faults


class Hanging(httpx.AsyncByteStream):
    """One piece, and then nothing."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"data: {}\n"
        await asyncio.Event().wait()


def test_a_wait_that_does_not_end_counts() -> None:
    async def wait() -> None:
        transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Hanging()))
        async with httpx.AsyncClient(transport=transport, base_url="http://hearth") as http:
            innocents = Innocents(http)
            while innocents.pieces < INNOCENTS:
                await asyncio.sleep(0)
            innocents.take_gap()
            await asyncio.sleep(0.05)
            assert innocents.take_gap() >= 0.05
            await innocents.stop()

    asyncio.run(wait())
