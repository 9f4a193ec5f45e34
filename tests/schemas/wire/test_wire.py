"""The wire: what is kept, what a newer or an older peer may send, and what is refused."""

from typing import Any

import msgspec
import pytest

from schemas import wire

TO_ENGINE: list[wire.ToEngine] = [
    wire.Hello(major=1, minor=7, client="web worker 1"),
    wire.Ping(),
    wire.Generate(
        id=3,
        name="cmpl-1",
        prompts=["Once", [1, 2]],
        n=2,
        stream=True,
        user="somebody",
        sampling=wire.Sampling(temperature=0.5, seed=-(2**63), stop=["\n"], logit_bias={"字": -1.5}, logprobs=0),
    ),
    wire.Generate(id=4, name="chatcmpl-1", messages=[{"role": "user", "content": "🔥"}], continue_final_message=True),
    wire.Generate(id=5, name="cmpl-2", prompts=["Once"], cache_salt="name:ann"),
    wire.Generate(id=6, name="cmpl-3", prompts=["Once"], resumed=True, losses=2, isolated=True, age=3.5),
    wire.Abort(ids=[3, 4]),
]

TO_WEB: list[wire.ToWeb] = [
    wire.Welcome(major=1, minor=0, instance="a", load=wire.Load(stage="loading", progress=0.25), served_names=["m"]),
    wire.Pong(instance="a", load=wire.Load(ready=True), live=1, running=2, waiting=3, kv_cache_usage=0.5),
    wire.Refused(message="no"),
    wire.Accepted(id=3, prompt_tokens=12, warnings=["a part of a character"]),
    wire.Testing(id=3, alone=True),
    wire.Cleared(ids=[3, 4]),
    wire.Failed(id=3, status=429, message="full", type="rate_limit_error", code="full", param="n", retry_after=1),
    wire.Deltas(
        batch=[
            wire.Delta(3, 0, "字", [1, 2], logprobs=[wire.TokenLogprob("字", 1, -0.5, (("字", 1, -0.5),))]),
            wire.Delta(
                3,
                0,
                "",
                [3],
                logprobs=[wire.TokenLogprob("", 3, -0.5, (("\ufffd", 4, -1.0),), own_bytes=(b"\xf0\x9f", b""))],
            ),
            wire.Delta(3, 1, "", [], "stop", 50256),
            wire.Delta(3, 2, "", [], "stop", "END"),
        ]
    ),
]


def kind(message: object) -> str:
    return type(message).__name__


def pack(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def longer(item: Any) -> Any:
    """An array of the hot path as a newer engine would send it."""
    if isinstance(item, wire.Delta | wire.TokenLogprob):
        return [*(longer(value) for value in msgspec.structs.astuple(item)), "new", {"newer": 1}]
    return [longer(value) for value in item] if isinstance(item, list) else item


@pytest.mark.parametrize("message", TO_ENGINE, ids=kind)
def test_a_message_to_the_engine_arrives_as_it_left(message: wire.ToEngine) -> None:
    assert wire.decode_to_engine(wire.encode(message)) == message


@pytest.mark.parametrize("message", TO_WEB, ids=kind)
def test_a_message_to_the_web_tier_arrives_as_it_left(message: wire.ToWeb) -> None:
    assert wire.decode_to_web(wire.encode(message)) == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"t": "hello", "major": 1, "minor": 0}, wire.Hello(major=1, minor=0)),
        ({"t": "ping"}, wire.Ping()),
        ({"t": "generate", "id": 1, "name": "a", "prompts": ["x"]}, wire.Generate(id=1, name="a", prompts=["x"])),
        ({"t": "abort", "ids": [1]}, wire.Abort(ids=[1])),
    ],
    ids=lambda value: value["t"] if isinstance(value, dict) else "",
)
def test_what_a_web_tier_of_the_first_release_sends_is_understood(raw: dict[str, Any], message: wire.ToEngine) -> None:
    assert wire.decode_to_engine(pack(raw)) == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"t": "welcome", "major": 1, "minor": 0, "instance": "a"},
            wire.Welcome(major=1, minor=0, instance="a"),
        ),
        ({"t": "pong", "instance": "a"}, wire.Pong(instance="a")),
        ({"t": "refused", "message": "no"}, wire.Refused(message="no")),
        ({"t": "accepted", "id": 1, "prompt_tokens": 2}, wire.Accepted(id=1, prompt_tokens=2)),
        ({"t": "failed", "id": 1, "status": 400, "message": "no"}, wire.Failed(id=1, status=400, message="no")),
        ({"t": "deltas", "batch": [[1, 0, "a", [7]]]}, wire.Deltas(batch=[wire.Delta(1, 0, "a", [7])])),
    ],
    ids=lambda value: value["t"] if isinstance(value, dict) else "",
)
def test_what_an_engine_of_the_first_release_sends_is_understood(raw: dict[str, Any], message: wire.ToWeb) -> None:
    assert wire.decode_to_web(pack(raw)) == message


def test_an_unknown_field_is_ignored() -> None:
    raw = {"t": "generate", "id": 1, "name": "a", "mood": "good", "sampling": {"mood": "good", "top_k": 5}}

    assert wire.decode_to_engine(pack(raw)) == wire.Generate(id=1, name="a", sampling=wire.Sampling(top_k=5))


def test_defaults_do_not_travel() -> None:
    assert msgspec.msgpack.decode(wire.encode(wire.Accepted(id=1, prompt_tokens=2))) == {
        "t": "accepted",
        "id": 1,
        "prompt_tokens": 2,
    }
    assert msgspec.msgpack.decode(wire.encode(wire.Failed(id=1, status=400, message="no"))).keys() == {
        "t",
        "id",
        "status",
        "message",
    }


def test_arrays_of_a_newer_engine_may_be_longer_at_the_end() -> None:
    delta = wire.Delta(1, 0, "a", [7], "stop", "END", [wire.TokenLogprob("a", 7, -0.5, (("a", 7, -0.5),))])

    assert wire.decode_to_web(pack({"t": "deltas", "batch": [longer(delta)]})) == wire.Deltas(batch=[delta])


@pytest.mark.parametrize(
    "payload",
    [
        pack({"t": "invent"}),
        pack({"id": 1, "name": "a"}),
        pack({"t": "generate", "id": 1}),
        pack({"t": "generate", "id": "1", "name": "a"}),
        pack(["hello", 1, 0]),
        b"",
        b"\xc1",
        wire.encode(wire.Ping())[:-1],
        wire.encode(wire.Ping()) + b"\x00",
        wire.encode(wire.Refused(message="no")),
    ],
    ids=[
        "an unknown tag",
        "no tag",
        "a missing field",
        "a wrong type",
        "an array",
        "nothing",
        "no msgpack",
        "a cut message",
        "a message and more",
        "a message of the other direction",
    ],
)
def test_what_is_not_of_this_protocol_is_refused(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        wire.decode_to_engine(payload)


def test_a_request_has_one_choice_per_prompt_and_n() -> None:
    assert wire.Generate(id=1, name="", messages=[], n=3).choices == 3
    assert wire.Generate(id=1, name="", prompts=["a", "b"], n=3).choices == 6


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, None),
        ({"cache_salt": "a", "include_reasoning": False, "tool_choice": "none"}, None),
        ({"tools": [{}]}, "tools"),
        ({"truncate_prompt_tokens": -1}, "truncate_prompt_tokens"),
        ({"sampling": wire.Sampling(prompt_logprobs=0)}, "prompt_logprobs"),
        ({"sampling": wire.Sampling(structure=wire.Structure(json={}))}, "structure"),
        ({"embed": True}, "embed"),
    ],
    ids=str,
)
def test_a_request_knows_what_an_older_engine_would_ignore(fields: dict[str, Any], field: str | None) -> None:
    assert wire.Generate(id=1, name="", **fields).extended == field


def test_two_requests_never_share_their_sampling() -> None:
    first, second = wire.Generate(id=1, name=""), wire.Generate(id=2, name="")
    first.sampling.stop.append("END")

    assert second.sampling.stop == []


@pytest.mark.parametrize("minor", [0, wire.MINOR + 1, 99])
def test_any_minor_version_is_welcome(minor: int) -> None:
    assert wire.version_conflict(wire.Hello(major=wire.MAJOR, minor=minor)) is None


@pytest.mark.parametrize(
    ("major", "side"), [(wire.MAJOR - 1, "web tier"), (wire.MAJOR + 1, "engine")], ids=["older", "newer"]
)
def test_another_major_version_is_refused_with_the_side_to_upgrade(major: int, side: str) -> None:
    sentence = wire.version_conflict(wire.Hello(major=major, minor=4))

    assert sentence == (
        f"the web tier speaks wire protocol {major}.4, the engine {wire.MAJOR}.{wire.MINOR}: "
        f"upgrade and restart the {side}"
    )


@pytest.mark.parametrize(
    ("fields", "structured", "rewritten"),
    [
        ({}, False, False),
        ({"sampling": wire.Sampling(repetition_penalty=1.5)}, False, False),
        ({"sampling": wire.Sampling(presence_penalty=-0.5)}, False, True),
        ({"sampling": wire.Sampling(frequency_penalty=0.5)}, False, True),
        ({"sampling": wire.Sampling(structure=wire.Structure(regex="a"))}, True, True),
        ({"tools": [{}], "tool_choice": "none"}, False, False),
        ({"tools": [{}]}, True, True),
    ],
)
def test_what_may_be_generated_again_when_it_is_resumed(
    fields: dict[str, Any], structured: bool, rewritten: bool
) -> None:
    params = wire.GenerateParams(prompts=["a"], **fields)
    assert (params.structured, params.rewritten) == (structured, rewritten)
