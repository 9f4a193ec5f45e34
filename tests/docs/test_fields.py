"""Every field of the API has a test that is marked as showing its effect."""

import re

import pytest
from marshmallow import Schema

from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.shared.endpoint import PROJECT_ROOT

MARK = re.compile(r"pytest\.mark\.field\(([^)]*)\)")


@pytest.mark.parametrize("schema", [ChatCompletionSchema, CompletionSchema])
def test_every_field_has_a_test(schema: type[Schema]) -> None:
    marked = {
        name
        for file in (PROJECT_ROOT / "tests" / "e2e").rglob("*.py")
        for arguments in MARK.findall(file.read_text())
        for name in re.findall(r'"(\w+)"', arguments)
    }
    assert set(schema().fields) <= marked
