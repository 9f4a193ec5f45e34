"""Bodies through the real schemas: what they load to, and what they are refused for."""

from collections.abc import Callable
from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.requests.generation import Request
from schemas.requests.parts import warnings
from schemas.requests.responses import ResponseSchema

Load = Callable[..., Request]

CHAT = ChatCompletionSchema()
COMPLETION = CompletionSchema()
RESPONSE = ResponseSchema()
HELLO = {"role": "user", "content": "Hello"}


def chat(**body: Any) -> Request:
    warnings.begin()
    loaded: Request = CHAT.load({"messages": [HELLO], **body})
    return loaded


def completion(**body: Any) -> Request:
    warnings.begin()
    loaded: Request = COMPLETION.load({"prompt": "Hello", **body})
    return loaded


def response(**body: Any) -> Request:
    warnings.begin()
    loaded: Request = RESPONSE.load({"input": "Hello", **body}).request
    return loaded


both_endpoints = pytest.mark.parametrize("load", [chat, completion])


def refusal(load: Load, **body: Any) -> Any:
    """The errors of a body that must be refused, as marshmallow nests them."""
    with pytest.raises(ValidationError) as caught:
        load(**body)
    return caught.value.messages


def read(request: Request, field: str) -> Any:
    """What a field of the body has become."""
    for place in (request.params.sampling, request.params, request):
        if hasattr(place, field):
            return getattr(place, field)
    raise AssertionError(f"{field} is not kept")
