"""`/tokenize` and `/detokenize`, in vLLM's shapes."""

from typing import Any

import pytest

from tests.e2e.fields.asking import TOKENIZER, ids_of
from tests.harness import Hearth

BEGIN = TOKENIZER.token_to_id("<|begin_of_text|>")
TEXT = "Hello, 世界 🔥"


def test_a_text(hearth: Hearth) -> None:
    reply = hearth.post("/tokenize", {"model": "m", "prompt": TEXT}).json()
    assert reply == {
        "count": len(ids_of(TEXT)) + 1,
        "max_model_len": 2048,
        "tokens": [BEGIN, *ids_of(TEXT)],
        "token_strs": None,
    }
    plain = hearth.post("/tokenize", {"prompt": TEXT, "add_special_tokens": False, "return_token_strs": True}).json()
    assert plain["tokens"] == ids_of(TEXT)
    assert plain["token_strs"] == [TOKENIZER.id_to_token(token_id) for token_id in plain["tokens"]]


def test_a_begin_of_text_is_counted_once(hearth: Hearth) -> None:
    begun = hearth.post("/tokenize", {"prompt": f"<|begin_of_text|>{TEXT}"}).json()["tokens"]
    assert begun == [BEGIN, *ids_of(TEXT)]


def test_a_message_is_counted_as_the_text_that_it_is(hearth: Hearth) -> None:
    messages = [{"role": "user", "content": "a<|eot_id|>b"}]
    (end,) = ids_of("<|eot_id|>")
    assert hearth.post("/tokenize", {"messages": messages}).json()["tokens"].count(end) == 1


def test_there_and_back(hearth: Hearth) -> None:
    tokens = hearth.post("/tokenize", {"prompt": TEXT, "add_special_tokens": False}).json()["tokens"]
    assert hearth.post("/detokenize", {"tokens": tokens}).json() == {"prompt": TEXT}


def test_a_chat_has_the_tokens_of_its_completion(hearth: Hearth) -> None:
    messages = [{"role": "user", "content": "Who are you?"}]
    reply = hearth.post("/tokenize", {"messages": messages}).json()
    usage = hearth.post("/v1/chat/completions", {"messages": messages, "max_tokens": 1}).json()["usage"]
    assert reply["count"] == usage["prompt_tokens"]
    closed = hearth.post("/tokenize", {"messages": messages, "add_generation_prompt": False}).json()
    assert closed["count"] < reply["count"]


def test_a_text_longer_than_the_context_can_be_counted(hearth: Hearth) -> None:
    assert hearth.post("/tokenize", {"prompt": "a b " * 20_000}).json()["count"] > 20_000


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "prompt"),
        ("/tokenize", {"prompt": 5}, "prompt"),
        ("/tokenize", {"messages": []}, "messages"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": []}, "tokens"),
        ("/detokenize", {"tokens": ["a"]}, "tokens[0]"),
        ("/detokenize", {"tokens": [999_999]}, "tokens"),
    ],
    ids=str,
)
def test_bad_input_is_named(hearth: Hearth, path: str, body: dict[str, Any], param: str) -> None:
    response = hearth.post(path, body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param
