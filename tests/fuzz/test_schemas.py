"""The request schemas under hypothesis: a body is loaded, or refused as a 400; nothing else ever leaves them."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import wire
from schemas.errors import ApiError
from schemas.requests.reading import body
from tests.fuzz.bodies import FIELDS, SCALARS, SCHEMAS, SEEDS

texts = st.text(max_size=30) | st.sampled_from(["user", "assistant", "text", "content", "role", "type"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(SCALARS)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.parametrize("path", SCHEMAS)
@pytest.mark.parametrize("strict", [False, True])
def test_a_body_is_loaded_or_refused(path: str, strict: bool) -> None:
    kind: Any = type(SCHEMAS[path])
    schema = kind(strict_fields=strict)
    became: Counter[str] = Counter()

    @quick
    @given(st.sampled_from(SEEDS[path]), st.dictionaries(st.sampled_from(FIELDS) | texts, values, max_size=3))
    def check(seed: dict[str, Any], changes: dict[str, Any]) -> None:
        try:
            wanted = body.load(schema, {**seed, **changes})
        except ApiError as error:
            assert error.status == 400
            msgspec.json.encode(error.body())
            became["refused"] += 1
            return
        found = getattr(wanted, "request", wanted)
        params: wire.GenerateParams = getattr(found, "params", found)
        message = params.message(id=0, name="")
        assert message.choices >= 1
        try:
            payload = wire.encode(message)
        except (OverflowError, RecursionError, UnicodeEncodeError):
            return  # as EngineClient.submit expects, but for surrogates, which no parsed body has
        assert wire.encode(wire.decode_to_engine(payload)) == payload, "bytes, for NaN is not even itself"
        became["a message"] += 1

    check()
    assert set(became) == {"refused", "a message"}, "else one half of this test sees nothing"


@quick
@given(st.binary(max_size=60) | values.map(repr).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        assert isinstance(body.parse(raw), dict)
    except ApiError as error:
        assert error.status == 400
        msgspec.json.encode(error.body())
