"""Some of what `make abuse` sends to a model with the whole vocabulary, beside innocent streams."""

import pytest

from tests.abuse.requests import SHORT_VOCABULARY
from tests.abuse.run import check_nobody_is_hurt
from tests.harness import Hearth


@pytest.mark.timeout(600)
def test_abusive_requests_hurt_nobody(llama: Hearth) -> None:
    check_nobody_is_hurt(llama, SHORT_VOCABULARY)
