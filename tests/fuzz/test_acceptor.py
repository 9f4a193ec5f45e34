"""What loads most bodies, compared with marshmallow. `make fuzz` compares 100,000."""

import random

import pytest
from marshmallow import Schema, fields, pre_load

from schemas.requests.parts.acceptor import Acceptor, Unsupported
from schemas.requests.parts.json_types import Body, Int
from tests.fuzz.acceptor import compare


def test_the_acceptor_agrees_with_marshmallow() -> None:
    loaded, refused = compare(random.SystemRandom().randrange(10**6), 4000)
    assert loaded > 500 and refused > 500, "else one half of this test sees nothing"


def test_a_schema_that_it_does_not_understand_is_left_to_marshmallow() -> None:
    class Original(Body):
        number = Int()

        @pre_load(pass_collection=True)
        def _change(self, data: object, **kwargs: object) -> object:
            return {"number": 2}

    with pytest.raises(Unsupported):
        Acceptor(Original())
    assert Original().load({"number": 1}) == {"number": 2}


def test_a_default_that_is_made_anew_is_left_to_marshmallow() -> None:
    with pytest.raises(Unsupported):
        Acceptor(Schema.from_dict({"numbers": fields.List(fields.Int(), load_default=list)})())
