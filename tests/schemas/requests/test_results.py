"""Results find the calls that they answer, in time linear in the conversation."""

import random
import time
from typing import Any

import pytest

from schemas.errors import ApiError
from schemas.requests.parts.tools import check_results

Message = dict[str, Any]
PAIRS = 10_000


def calling(*calls: tuple[str, str]) -> Message:
    made = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}} for call_id, name in calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}


def answered(messages: list[Message]) -> list[str | None] | None:
    """The plain definition: the ids of the results, or None where one answers no call."""
    waiting: list[tuple[str, str]] = []
    calls: set[str] = set()
    found: list[str | None] = []
    for message in messages:
        if message["role"] != "tool":
            made = [(call["id"], call["function"]["name"]) for call in message.get("tool_calls", ())]
            waiting += made
            calls |= {call_id for call_id, _ in made}
            continue
        call_id = message.get("tool_call_id")
        if not call_id and waiting:
            call_id = ([call for call in waiting if call[1] == message.get("name")] or waiting)[0][0]
        if call_id not in calls:
            return None
        waiting = [call for call in waiting if call[0] != call_id]
        found.append(call_id)
    return found


def random_messages(dice: random.Random) -> list[Message]:
    """A conversation with the same ids several times, ids that no call has, and results without an id."""
    messages: list[Message] = []
    for _ in range(dice.randrange(12)):
        if dice.random() < 0.4:
            messages.append(calling(*((dice.choice("abc"), dice.choice("fg")) for _ in range(dice.randrange(4)))))
            continue
        result: Message = {"role": "tool", "content": ""}
        if dice.random() < 0.3:
            result["tool_call_id"] = dice.choice("abc")
        if dice.random() < 0.5:
            result["name"] = dice.choice("fgh")
        messages.append(result)
    return messages


def test_results_answer_the_calls_that_the_plain_definition_says() -> None:
    dice = random.Random(3)
    outcomes = set()
    for _ in range(5000):
        messages = random_messages(dice)
        expected = answered(messages)
        outcomes.add(expected is None)
        if expected is None:
            with pytest.raises(ApiError):
                check_results(messages, len(messages))
        else:
            check_results(messages, len(messages))
            assert [each["tool_call_id"] for each in messages if each["role"] == "tool"] == expected
    assert outcomes == {True, False}


CALLS = [(f"call {number}", f"f{number % 2}") for number in range(PAIRS)]
NAMELESS: Message = {"role": "tool", "content": ""}
MANY = {
    "in order": [NAMELESS] * PAIRS,
    "from the last": [{"role": "tool", "content": "", "tool_call_id": call_id} for call_id, _ in reversed(CALLS)],
    "by name": [{"role": "tool", "content": "", "name": "f1"}] * PAIRS,
    "no such name": [{"role": "tool", "content": "", "name": "g"}] * PAIRS,
    "the same": [{"role": "tool", "content": "", "tool_call_id": "call 9"}] * PAIRS,
}


@pytest.mark.parametrize("results", MANY.values(), ids=MANY)
def test_many_results_take_linear_time(results: list[Message]) -> None:
    """In quadratic time, each of these takes seconds."""
    messages = [calling(*CALLS), *map(dict, results)]
    began = time.thread_time()
    check_results(messages, len(messages))
    assert time.thread_time() - began < 0.2
