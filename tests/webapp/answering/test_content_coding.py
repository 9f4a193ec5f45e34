"""Compressed bodies, within the limit of a body, and bodies in other encodings than UTF-8."""

import codecs
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from backports import zstd
from flask.testing import FlaskClient

from schemas.errors import ApiError
from tests.fake_engine import FakeEngine
from tests.webapp.conftest import MakeApp
from webapp.answering.content_coding import as_utf8, codings_of, unpacked

BODY = json.dumps({"prompt": "Once upon a time 从前"}, ensure_ascii=False).encode()
LIMIT = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
    "zstd": zstd.compress,
    "identity": bytes,
    "": bytes,
    "gzip, identity, zstd": lambda data: zstd.compress(gzip.compress(data)),
}
packed = pytest.mark.parametrize(("coding", "pack"), PACKERS.items())


@packed
def test_a_packed_body_is_read(served: FlaskClient, coding: str, pack: Callable[[bytes], bytes]) -> None:
    headers = {"Content-Encoding": coding}
    response = served.post("/v1/completions", data=pack(BODY), headers=headers, content_type="application/json")
    assert response.status_code == 200, response.text
    assert response.get_json()["choices"][0]["text"] == "one two"


def test_the_engine_gets_the_text(served: FlaskClient, engine: FakeEngine) -> None:
    served.post(
        "/v1/completions",
        data=zstd.compress(BODY),
        headers={"Content-Encoding": "zstd"},
        content_type="application/json",
    )
    assert engine.received[-1].prompts == ["Once upon a time 从前"]  # type: ignore[union-attr]


@pytest.mark.parametrize("coding", ["br", "compress", "gzip, br", "gzip, gzip, gzip, gzip"])
def test_another_coding_is_a_415(client: FlaskClient, coding: str) -> None:
    response = client.post("/v1/completions", json={}, headers={"Content-Encoding": coding})
    assert (response.status_code, response.get_json()["error"]["code"]) == (415, "unsupported_content_coding")
    assert response.headers["Accept-Encoding"] == "gzip, deflate, zstd"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_body_is_as_large_as_it_is_unpacked(make_app: MakeApp, coding: str) -> None:
    client = make_app(max_body_bytes=100_000).test_client()
    for size, status in ((100_000, 400), (100_001, 413), (50_000_000, 413)):
        data = PACKERS[coding](b"{}".ljust(size))
        assert len(data) < 100_000
        headers = {"Content-Encoding": coding}
        response = client.post("/v1/completions", data=data, headers=headers, content_type="application/json")
        assert response.status_code == status, response.text


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_bomb_takes_no_more_memory_than_the_limit(coding: str) -> None:
    data = PACKERS[coding](bytes(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(ApiError) as caught:
            unpacked(data, [coding], LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()
    assert caught.value.status == 413


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:3],
        lambda data: b"",
        lambda data: b"\0" + data,
        lambda data: data + b"x",
    ],
    ids=["cut", "cut short", "nothing", "a byte before", "a byte after"],
)
def test_a_damaged_body_is_a_400(coding: str, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ApiError) as caught:
        unpacked(damage(PACKERS[coding](BODY)), [coding], LIMIT)
    assert caught.value.status == 400
    assert coding in caught.value.message


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_may_have_several_parts(coding: str) -> None:
    pack = PACKERS[coding]
    assert unpacked(pack(b"one ") + pack(b"two"), [coding], LIMIT) == b"one two"
    with pytest.raises(ApiError, match="more than 64 parts"):
        unpacked(pack(b"") * 65, [coding], LIMIT)


def test_codings_are_undone_from_the_last_to_the_first() -> None:
    assert codings_of("gzip,  ZSTD") == ["gzip", "zstd"]
    assert unpacked(zstd.compress(gzip.compress(b"a")), ["gzip", "zstd"], LIMIT) == b"a"


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_unicode_in_any_encoding_is_read(served: FlaskClient, engine: FakeEngine, encoding: str) -> None:
    data = BODY.decode().encode(encoding)
    response = served.post("/v1/completions", data=data, content_type=f"application/json; charset={encoding}")
    assert response.status_code == 200, response.text
    assert engine.received[-1].prompts == ["Once upon a time 从前"]  # type: ignore[union-attr]


def test_a_large_one_too() -> None:
    text = json.dumps({"prompt": "从" * 200_000}, ensure_ascii=False)
    assert as_utf8(text.encode("utf-16")) == text.encode()
    assert as_utf8(codecs.BOM_UTF8 + text.encode()) == text.encode()


@pytest.mark.parametrize("raw", [b"", b"{", b"{}", b"\0", b"\0\0\0\0", b"\xff\xfe", b"\xff", b"\xfe\xff\0"])
def test_no_bytes_break_it(raw: bytes) -> None:
    try:
        as_utf8(raw)
    except ApiError as error:
        assert error.status == 400
