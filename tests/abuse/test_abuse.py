"""Some of what `make abuse` sends, beside innocent streams on the engine that the tests share."""

import pytest

from tests.abuse.requests import ALL, SHORT, VOCABULARY
from tests.abuse.run import check_nobody_is_hurt
from tests.harness import Hearth


@pytest.mark.timeout(600)
def test_abusive_requests_hurt_nobody(hearth: Hearth) -> None:
    check_nobody_is_hurt(hearth, SHORT)


def test_make_abuse_sends_many_and_each_has_a_name_of_its_own() -> None:
    assert len(ALL) >= 100 and len(VOCABULARY) >= 50
    assert len({abuse.name for abuse in ALL}) == len(ALL)
