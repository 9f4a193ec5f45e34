"""Structures that would take xgrammar too long are refused, and what clients usually send is not."""

from typing import Any

import pytest

from engine_proc.adapter.calls.offered_tools import ANY_OBJECT, OfferedTools
from engine_proc.adapter.grammars.costs import check_grammar_cost, check_pattern_cost, check_schema_cost
from engine_proc.adapter.grammars.structured import structured_outputs
from schemas.errors import ApiError
from schemas.wire import Generate, Structure

TEXT = {"type": "string"}


def fields(count: int, kind: Any = TEXT, *, required: bool = True, **more: Any) -> dict[str, Any]:
    names = [f"f{number}" for number in range(count)]
    return {"type": "object", "properties": dict.fromkeys(names, kind), "required": names if required else [], **more}


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        (fields(5000), "schemas and objects"),
        (fields(501, required=False), "optional properties"),
        ({"type": "array", "prefixItems": [fields(400, required=False)] * 2}, "optional properties"),
        (fields(101, additionalProperties=True), "beside `additionalProperties`"),
        (fields(51, {"type": "string", "format": "email"}), "with a `format`"),
        ({"anyOf": [{"type": "string", "maxLength": 1000 + n} for n in range(9)] + [{"minLength": 9}]}, "LONG"),
        ({"type": "string", "pattern": "[a-z0-9]" * 1001}, "classes of characters"),
        (fields(201, {"type": "string", "pattern": "a?"}), "quantifiers"),
        (fields(101, unevaluatedProperties=TEXT), "or `unevaluatedProperties`"),
        (fields(51, required=False, minProperties=1), "beside `minProperties`"),
        ({"patternProperties": {"[a-z0-9]" * 1001: {}}}, "classes of characters"),
        ({"type": "string", "pattern": "(([a-z]{40}){40}){40}"}, "classes of characters"),
        ({"type": "string", "pattern": r"\p{L}{1,99}" * 9}, "classes of characters"),
        (fields(51, {"type": ["string", "null"], "format": "email"}), "with a `format`"),
        ({"type": ["string"] * 8}, "more than 7 types"),
    ],
)
def test_a_costly_schema_is_refused(schema: dict[str, Any], what: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_schema_cost(schema, "response_format.schema")
    assert (refusal.value.status, refusal.value.param) == (400, "response_format.schema")
    assert (what if what != "LONG" else "different bounds of lengths") in refusal.value.message


@pytest.mark.parametrize(
    "schema",
    [
        {},
        fields(2000),
        fields(500, required=False),
        fields(100, additionalProperties=TEXT),
        fields(1000, additionalProperties=False),
        fields(300, {"type": "string", "maxLength": 200}),
        {"enum": [str(number) for number in range(5000)]},
        {"type": "array", "items": TEXT, "maxItems": 100_000},
        fields(500, {"type": "integer", "format": "int32"}),
        fields(500, {"type": "string", "format": "password"}),
        fields(50, {"type": "string", "format": "email", "pattern": "[a-z]*" * 50}),
        fields(50, required=False, maxProperties=3),
        {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    ],
)
def test_a_usual_schema_is_not(schema: dict[str, Any]) -> None:
    check_schema_cost(schema, "field")


def test_patterns() -> None:
    for usual in (
        r"[a-z]{1,5000}",
        "|".join(["word"] * 1000),
        r"\[\*\?" * 100,
        "(?:a)(?=b)(?<n>c+?)" * 190,
        "([a-z]{9}){9}",
        r"\P{Lu}" * 201,
    ):
        check_pattern_cost(usual, "field")
    for costly in (
        "[a-z0-9]" * 1001,
        "a?" * 201,
        ".*" * 300,
        "[^a]" * 400,
        "([^a]{1,99}b)" * 9,
        r"\w{9,}[a-z]{1,500}" * 9,
    ):
        with pytest.raises(ApiError, match="too long to compile"):
            check_pattern_cost(costly, "structured_outputs.regex")


@pytest.mark.parametrize(
    "grammar",
    [
        'root ::= [a-z]+ | "[^a]" {1,5000} # [a][b]{1,900}' + " | [0-9]" * 900,
        "root ::= [^a]{1,5000}\n" + "\n".join(f'r{n} ::= "{n}"? r{n + 1}+' for n in range(199)),
        'start: (/[^a]{1,5000}/ | "//" | "a".."z")+ // /[a]{1,900}/ /[^b]{1,900}/ /[^c]{1,900}/',
        "root ::= a0 a0\n" + "\n".join(f"a{n} ::= a{n + 1} a{n + 1}" for n in range(30)) + "\na30 ::= [a-z]",
        'root ::= line{1,40}\nline ::= word " " word "\\n"\nword ::= [a-z]{1,12}',
        'root ::= "(" root{0,9} ")" | [a-z]+',
        'start: line~1..40\nline: WORD "a"i WORD "\\n"\nWORD.2: /[a-z]{1,12}/i',
    ],
)
def test_a_usual_grammar_is_not_refused(grammar: str) -> None:
    check_grammar_cost(grammar, "field")


@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= " + "[a-z] " * 1001,
        "root ::= " + "[^a] " * 334,
        "root ::= " + " ".join(f'"{n}" [^a]{{1,{1000 + n}}}' for n in range(20)),
        "root ::= " + "a{9,900} " * 4 + "\na ::= [^a]",
        "root ::= (([a-z]{40}) # ({9}) \n {40}){40}",
        "start: ((/[a-z]/~40)~40)~40",
        'root ::= "# " ' + "([^a]){1,900} " * 4,
        'start: /"/ ' + "/[^a]{1,900}/ " * 4,
        "start: a " + "(a)~1..900 " * 4 + "\na: /./",
        "start: /" + "." * 334 + "/",
        "root ::= a{1,100}\na ::= b{1,100}\nb ::= [^a]",
        'b ::= [^a]\na ::= b {1,100}\nroot ::= (a | a "x") # all\n {1,100}',
        "root ::= a0{1,50}\n" + "\n".join(f"a{n} ::= a{n + 1} a{n + 1}" for n in range(9)) + "\na9 ::= [a-z]",
        "start: a~1..100\na: b\nb: C~1..100\nC: /[a-z]/",
        "root ::= " + '"a"? ' * 201,
        "start: " + '"a"? ' * 201,
    ],
    ids=lambda grammar: grammar[:24],
)
def test_a_costly_grammar_is_refused(grammar: str) -> None:
    with pytest.raises(ApiError, match="grammar would take too long to compile") as refusal:
        structured_outputs(Structure(grammar=grammar, field="structured_outputs.grammar"))
    assert (refusal.value.status, refusal.value.param) == (400, "structured_outputs.grammar")


@pytest.mark.parametrize(
    ("grammar", "word"),
    [
        ('root ::= Regex # a\n ("(a?){1000}")', "Regex"),
        ('root ::= Substring("abc")', "Substring"),
        ("start: %json {}", "%json"),
        ("start: %regex { }", "%regex"),
        ("start: %lark { }", "%lark"),
    ],
)
def test_a_grammar_that_hides_another_is_refused(grammar: str, word: str) -> None:
    with pytest.raises(ApiError, match=f"`{word}` is not supported") as refusal:
        check_grammar_cost(grammar, "structured_outputs.grammar")
    assert (refusal.value.status, refusal.value.param) == (400, "structured_outputs.grammar")
    check_grammar_cost(f'root ::= "{word}(" # {word}("")', "field")


def test_the_schemas_of_all_tools_count_together() -> None:
    tools = [{"type": "function", "function": {"name": f"t{n}", "parameters": fields(2000)}} for n in range(3)]
    ask: dict[str, Any] = {"id": 0, "name": "", "messages": [{"role": "user", "content": "a"}], "tools": tools}
    chat = Generate(**ask, tool_choice="auto")
    offered = OfferedTools(chat).request(chat).tools or []
    assert [len(tool.function.parameters["properties"]) for tool in offered[:2]] == [2000, 2000]
    assert offered[2].function.parameters == ANY_OBJECT
    chat = Generate(**ask, tool_choice="required")
    with pytest.raises(ApiError) as refusal:
        OfferedTools(chat).request(chat)
    assert (refusal.value.status, refusal.value.param) == (400, "tools[2].function.parameters")


def test_not_only_their_objects_count_together() -> None:
    emails = fields(30, {"type": "string", "format": "email"})
    tools = [{"type": "function", "function": {"name": f"t{n}", "parameters": emails}} for n in range(2)]
    chat = Generate(id=0, name="", messages=[{"role": "user", "content": "a"}], tools=tools, tool_choice="required")
    with pytest.raises(ApiError, match="with those of other tools, would take too long") as refusal:
        OfferedTools(chat).request(chat)
    assert (refusal.value.status, refusal.value.param) == (400, "tools[1].function.parameters")


def test_a_strict_tool_has_the_limits_before_the_others() -> None:
    large = [{"type": "function", "function": {"name": f"t{n}", "parameters": fields(2000)}} for n in range(3)]
    strict = {"type": "function", "function": {"name": "strict", "parameters": fields(3), "strict": True}}
    chat = Generate(id=0, name="", messages=[{"role": "user", "content": "a"}], tools=[*large, strict])
    offered = OfferedTools(chat).request(chat).tools or []
    assert [tool.function.name for tool in offered] == ["t0", "t1", "t2", "strict"]
    assert offered[3].function.parameters == fields(3)
