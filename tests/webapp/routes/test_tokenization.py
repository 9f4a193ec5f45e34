"""`/tokenize` over HTTP, with a scripted engine: the names of many tokens come whole or in parts, as the wire is."""

import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine
from tests.webapp.conftest import MakeApp

COUNT = 9000


@pytest.mark.parametrize("most", [2000, COUNT], ids=["in parts", "whole, as an older engine sends them"])
def test_every_token_has_its_name(engine: FakeEngine, make_app: MakeApp, most: int) -> None:
    names = [f"t{number}" for number in range(COUNT)]

    def name(engine: FakeEngine, generate: wire.Generate) -> None:
        assert generate.tokens_only == "named"
        ids = list(range(COUNT))
        engine.send(wire.Accepted(generate.id, prompt_tokens=COUNT, prompt_token_ids=[ids]))
        logprobs = [wire.TokenLogprob(text, token_id, None) for text, token_id in zip(names, ids, strict=True)]
        for part in wire.split(wire.Delta(generate.id, 0, "", [], "stop", logprobs=logprobs), most):
            engine.send(wire.Deltas(batch=[part]))

    engine.on_generate = name
    client: FlaskClient = make_app().test_client()
    told = client.post("/tokenize", json={"prompt": "a", "return_token_strs": True}).get_json()
    assert (told["count"], told["token_strs"]) == (COUNT, names)
