"""Numbers of a client's JSON: what they mean, and what they cost at most."""

import time

import msgspec
import pytest

from schemas.shared.client_json import decode

DEAR = ("1e+308", "1.7976931348623157e308", "2.2250738585072011e-308", "5e-324", "1e300")
"""Numbers for which msgspec's own reader takes 7 to 16 us."""
NUMBERS = 20_000


@pytest.mark.parametrize(
    "text", [*DEAR, "0.1", "-0.0", "1E5", "1e-400", "0.30000000000000004", "1.5", "9007199254740993.0"]
)
def test_a_number_is_that_of_python(text: str) -> None:
    value = decode(f"[{text}]")[0]
    assert type(value) is float
    assert repr(value) == repr(float(text))


def test_whole_numbers_stay_whole() -> None:
    assert repr(decode(b'{"a": 1, "b": -9007199254740993}')) == "{'a': 1, 'b': -9007199254740993}"


@pytest.mark.parametrize("text", ["1e400", "-1e309", "NaN", "Infinity", "1.", ".5", "1e", "01"])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(f"[{text}]")


@pytest.mark.parametrize("text", DEAR)
def test_no_number_is_dear(text: str) -> None:
    """The body of a request may have half a million."""
    raw = f"[{','.join([text] * NUMBERS)}]"
    began = time.thread_time()
    decode(raw)
    assert (time.thread_time() - began) / NUMBERS < 3e-6
