"""Bodies nested deeply, and integers that the wire does not have: refused with the field's name, or used to the end."""

import copy
import json
from typing import Any

import msgspec
import pytest

from schemas import wire
from schemas.errors import ApiError
from schemas.requests.conversations import ConversationItemsSchema
from schemas.requests.parts.json_types import Body
from schemas.requests.reading import body
from schemas.wire.codec import encode
from tests.schemas.requests.loading import CHAT, RESPONSE

STACK = 200
"""Calls above the parser: Flask, gevent and the routes have about 60."""
HELLO = '"messages":[{"role":"user","content":"a"}]'
TOOL = '"tools":[{"type":"function","function":{"name":"f","parameters":X}}]'
CALLED = '{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":X}}]}]}'
ITEMS = ConversationItemsSchema()
PLACES: dict[str, tuple[Body, str]] = {
    "an ignored field": (CHAT, f'{{{HELLO},"anything":X}}'),
    "chat_template_kwargs": (CHAT, f'{{{HELLO},"chat_template_kwargs":{{"a":X}}}}'),
    "parameters": (CHAT, f"{{{HELLO},{TOOL}}}"),
    "response_format": (CHAT, f'{{{HELLO},"response_format":{{"type":"json_object","schema":{{"a":X}}}}}}'),
    "structured_outputs": (CHAT, f'{{{HELLO},"structured_outputs":{{"json":{{"a":X}}}}}}'),
    "arguments": (CHAT, CALLED),
    "a result": (CHAT, '{"messages":[{"role":"tool","content":X}]}'),
    "a part's type": (CHAT, '{"messages":[{"role":"user","content":[{"type":X}]}]}'),
    "metadata": (RESPONSE, '{"input":"a","metadata":{"a":X}}'),
    "text": (RESPONSE, '{"input":"a","text":{"format":{"type":"json_schema","name":"a","schema":{"a":X}}}}'),
    "parameters of a response": (RESPONSE, f'{{"input":"a",{TOOL}}}'),
    "an item's type": (ITEMS, '{"items":[{"type":X}]}'),
    "a call's action": (ITEMS, '{"items":[{"type":"shell_call","id":"a","action":X}]}'),
    "an output": (ITEMS, '{"items":[{"type":"function_call_output","call_id":"a","output":X}]}'),
}
VALUES = {f"{count} objects": '{"a":' * count + "1" + "}" * count for count in (50, 100, 200, 250, 300, 500, 640)}
VALUES |= {f"{count} arrays": "[" * count + "1" + "]" * count for count in (100, 250, 640)}
VALUES |= {"80 bits": str(2**80), "-80 bits": f"[{-(2**80)}]", "4000 digits": "7" * 4000}


def used(schema: Body, raw: bytes) -> None:
    """Do with what is loaded what the web tier does. Raises `ApiError` (400) for what is refused."""
    loaded = body.accept(schema, raw)
    loaded = body.load(schema, body.parse(raw)) if loaded is None else loaded
    request, rest = (loaded.request, [loaded.items, loaded.echoed]) if schema is RESPONSE else (loaded, None)
    if schema is ITEMS:
        rest = loaded
    else:
        encode(wire.Generate(**{**msgspec.structs.asdict(request.params), "id": 1, "name": "a"}))
    copy.deepcopy(rest)
    json.dumps(rest)
    msgspec.json.encode(rest)


def with_a_deep_stack(calls: int, *arguments: Any) -> None:
    if calls:
        with_a_deep_stack(calls - 1, *arguments)
    else:
        used(*arguments)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize(("schema", "template"), PLACES.values(), ids=PLACES)
def test_what_is_deep_or_long_is_refused_by_name_or_used(schema: Body, template: str, value: str) -> None:
    try:
        with_a_deep_stack(STACK, schema, template.replace("X", value).encode())
    except ApiError as error:
        assert error.status == 400
        assert error.param is not None
        assert template.find(f'"{error.param.partition(".")[0].partition("[")[0]}"') >= 0
        error.body()


@pytest.mark.parametrize("place", ['"a":X', '"messages":X', '"a":{"b":X}'])
def test_a_field_of_too_many_levels_is_named(place: str) -> None:
    raw = f'{{"model":[{"[],{}," * 200}1],{place.replace("X", "[" * 300 + "]" * 300)}}}'.encode()
    with pytest.raises(ApiError, match="Expected at most 256 levels") as caught:
        body.parse(raw)
    assert caught.value.param == place.split('"')[1]
    assert body.accept(CHAT, raw) is None
