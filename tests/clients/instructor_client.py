"""instructor: a typed answer by tools, by a JSON Schema, and as a stream of partial objects."""

import os

import instructor
from openai import OpenAI
from pydantic import BaseModel


class Answer(BaseModel):
    """Yes or no."""

    yes: bool


server = OpenAI(base_url=os.environ["HEARTH_URL"] + "/v1", api_key="none", max_retries=0)
question = {"model": "hearth-demo", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0}
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(server, mode=mode)
    assert isinstance(client.chat.completions.create(response_model=Answer, max_retries=0, **question), Answer), mode
client = instructor.from_openai(server, mode=instructor.Mode.JSON_SCHEMA)
partial = list(client.chat.completions.create_partial(response_model=Answer, max_retries=0, **question))
assert isinstance(partial[-1].yes, bool)
