"""schemathesis: requests made from the OpenAPI document, good and bad, get the answers that it promises."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from schemas.openapi.document import document
from tests.harness import Hearth

CHEAP = ("max_tokens", "max_completion_tokens", "max_length", "n", "best_of")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]

schema = schemathesis.openapi.from_dict(document())


@schema.parametrize()
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.timeout(300)
def test_the_answers_are_as_documented(case: Any, running: Hearth) -> None:
    if isinstance(case.body, dict):
        case.body.update(_cheaper(case.body))
    response = case.call(base_url=running.url, timeout=60)
    # The schema of a stream is that of the JSON in its events, which OpenAPI 3.1 cannot say and schemathesis not know.
    streamed = response.headers["content-type"][0].startswith("text/event-stream")
    case.validate_response(response, checks=CHECKS if streamed else [*CHECKS, response_schema_conformance])


def _cheaper(body: dict[str, Any]) -> dict[str, Any]:
    """A good body may ask for hundreds of whole contexts; what is bad in a body stays bad."""
    return {name: 1 for name in CHEAP if body.get(name) is None or (type(body[name]) is int and body[name] > 1)}
