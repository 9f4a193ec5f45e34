"""A streamed answer, piece by piece."""

import json
from typing import Any

from tests.e2e.fields.asking import COMPLETIONS
from tests.harness import Hearth


def streamed(hearth: Hearth, endpoint: str, prompt: str, **fields: Any) -> list[str]:
    """Return the pieces of the text, as they came. Greedy, of 60 tokens, unless `fields` say otherwise."""
    asked = {"prompt": prompt} if endpoint == COMPLETIONS else {"messages": [{"role": "user", "content": prompt}]}
    with hearth.stream(endpoint, {**asked, "temperature": 0, "max_tokens": 60, **fields}) as response:
        assert response.status_code == 200, response.read()
        *events, done = (line.removeprefix("data: ") for line in response.iter_lines() if line)
    assert done == "[DONE]"
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    return [choice["text"] if endpoint == COMPLETIONS else choice["delta"].get("content") or "" for choice in choices]
