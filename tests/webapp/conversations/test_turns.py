"""Which of a request's messages are new to a conversation, and what is kept of its answer."""

import time
from typing import Any

import pytest

from webapp.conversations import turns
from webapp.conversations.turns import Message, StoredTurn, history, open_turn

PARTS = [{"type": "text", "text": "My name "}, {"type": "text", "text": "is Ada."}]


def user(content: Any) -> Message:
    return {"role": "user", "content": content}


def assistant(content: Any) -> Message:
    return {"role": "assistant", "content": content}


def system(content: str) -> Message:
    return {"role": "system", "content": content}


BE_BRIEF, BE_KIND = system("Be brief."), system("Be kind.")
FIRST = [user("Hi."), assistant("Hello!")]
CUT = [user("Tell a story."), assistant("Once upon")]


class Talk:
    """A conversation whose turns follow each other."""

    def __init__(self) -> None:
        self.turns: list[StoredTurn] = []

    def say(self, *given: Message, answer: str, continuing: bool = False, echo: bool = False) -> list[Message]:
        """Returns what the model sees."""
        turn = open_turn(history(self.turns), list(given), continuing=continuing)
        self.turns.append(turn.complete(answer, echo=echo))
        return turn.messages

    @property
    def kept(self) -> list[Message]:
        return history(self.turns)


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_new_messages_follow_the_stored_ones(talk: Talk) -> None:
    assert talk.say(user("Hi."), answer="Hello!") == [user("Hi.")]
    assert talk.say(user("Who?"), answer="Me.") == [*FIRST, user("Who?")]
    assert talk.kept == [*FIRST, user("Who?"), assistant("Me.")]


def test_who_says_the_same_twice_has_said_it_twice(talk: Talk) -> None:
    talk.say(user("Hi."), answer="Hello!")
    talk.say(user("Hi."), answer="Hello again!")
    assert talk.kept == [*FIRST, user("Hi."), assistant("Hello again!")]


@pytest.mark.parametrize(
    "sent_back", [assistant("Hello!"), assistant("Hello!\n"), assistant([{"type": "text", "text": "Hello!"}])]
)
def test_a_client_that_sends_the_whole_conversation_doubles_nothing(talk: Talk, sent_back: Message) -> None:
    talk.say(BE_BRIEF, user("Hi."), answer="Hello!")
    seen = talk.say(BE_BRIEF, user("Hi."), sent_back, user("Who?"), answer="Me.")
    assert seen == [BE_BRIEF, *FIRST, user("Who?")]
    assert talk.kept == [*seen, assistant("Me.")]


def test_a_client_that_sends_the_last_part_doubles_nothing(talk: Talk) -> None:
    for number in range(3):
        talk.say(user(f"{number}?"), answer=f"{number}.")
    for sent_back in ([assistant("2.")], [user("2?"), assistant("2.")], [assistant("1."), user("2?"), assistant("2.")]):
        assert open_turn(talk.kept, [*sent_back, user("3?")], continuing=False).new == [user("3?")]
    for other in ([assistant("1.")], [user("1?"), assistant("1.")], [user("1?"), assistant("2.")]):
        assert open_turn(talk.kept, [*other, user("3?")], continuing=False).new == [*other, user("3?")]


@pytest.mark.parametrize("count", [1, 2, 64, 65, 100, 199, 200])
def test_the_last_part_may_be_long(count: int) -> None:
    stored = [message for number in range(100) for message in two(number)]
    turn = open_turn(stored, [*stored[-count:], user("a")], continuing=False)
    assert (turn.messages, turn.new) == ([*stored, user("a")], [user("a")])


@pytest.mark.parametrize(
    ("stored", "given", "new"),
    [
        ("ab", "ababc", "abc"),
        ("cabab", "abc", "c"),
        ("aab", "aabaabc", "aabc"),
        ("aaba", "aabaaba", "aba"),
        ("caa", "aaab", "ab"),
        ("abab", "ab", ""),
        ("cabab", "ab", ""),
        ("ab", "", ""),
    ],
)
def test_the_most_that_can_be_a_repetition_is_one(stored: str, given: str, new: str) -> None:
    turn = open_turn([assistant(name) for name in stored], [assistant(name) for name in given], continuing=False)
    assert "".join(message["content"] for message in turn.new) == new


def test_a_conversation_of_many_equal_messages_is_compared_quickly() -> None:
    stored = [user("a")] * 50_000
    began = time.process_time()
    open_turn(stored, [*stored[:-1], assistant("b")], continuing=False)
    open_turn([*stored, assistant("b")], [*stored[:10_000], assistant("c")], continuing=False)
    assert time.process_time() - began < 1


def test_a_repeated_leading_message_is_not_doubled(talk: Talk) -> None:
    talk.say(BE_BRIEF, user("Hi."), answer="Hello!")
    assert talk.say(BE_BRIEF, user("Who?"), answer="Me.") == [BE_BRIEF, *FIRST, user("Who?")]
    assert talk.turns[1].leading is None


@pytest.mark.parametrize("leading", [BE_KIND, {"role": "developer", "content": "Be kind."}])
def test_another_leading_message_takes_its_place_from_then_on(talk: Talk, leading: Message) -> None:
    talk.say(BE_BRIEF, user("Hi."), answer="Hello!")
    assert talk.say(leading, user("Who?"), answer="Me.")[0] == leading
    assert talk.say(user("Why?"), answer="So.")[0] == leading
    assert [message["role"] for message in talk.kept[1:]] == ["user", "assistant"] * 3


def test_a_leading_message_may_come_later(talk: Talk) -> None:
    talk.say(user("Hi."), answer="Hello!")
    assert talk.say(BE_KIND, *FIRST, user("Who?"), answer="Me.") == [BE_KIND, *FIRST, user("Who?")]


def test_a_system_message_in_the_middle_stays_there(talk: Talk) -> None:
    talk.say(user("Hi."), answer="Hello!")
    talk.say(*FIRST, BE_KIND, user("Who?"), answer="Me.")
    assert talk.kept == [*FIRST, BE_KIND, user("Who?"), assistant("Me.")]


def test_parts_and_tool_calls_are_kept_as_given(talk: Talk) -> None:
    calls = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}
    result = {"role": "tool", "content": "42", "tool_call_id": "1"}
    talk.say(user(PARTS), calls, result, answer="It is 42.")
    assert talk.kept == [user(PARTS), calls, result, assistant("It is 42.")]
    assert talk.say(user(PARTS), calls, result, assistant("It is 42."), user("Sure?"), answer="Yes.")[4:] == [
        user("Sure?")
    ]


@pytest.mark.parametrize(("echo", "answer"), [(False, " a time"), (True, "Once upon a time")])
class TestContinuing:
    WHOLE = [CUT[0], assistant("Once upon a time")]

    def test_what_the_client_began(self, talk: Talk, echo: bool, answer: str) -> None:
        assert talk.say(*CUT, answer=answer, continuing=True, echo=echo) == CUT
        assert talk.kept == self.WHOLE

    def test_what_is_stored_sent_alone(self, talk: Talk, echo: bool, answer: str) -> None:
        talk.say(CUT[0], answer="Once upon")
        assert talk.say(CUT[1], answer=answer, continuing=True, echo=echo) == CUT
        assert talk.kept == self.WHOLE

    def test_what_is_stored_sent_with_all_before(self, talk: Talk, echo: bool, answer: str) -> None:
        talk.say(BE_BRIEF, CUT[0], answer="Once upon")
        assert talk.say(*CUT, answer=answer, continuing=True, echo=echo) == [BE_BRIEF, *CUT]
        assert talk.kept == [BE_BRIEF, *self.WHOLE]

    def test_what_is_stored_with_a_new_leading_message_alone(self, talk: Talk, echo: bool, answer: str) -> None:
        talk.say(CUT[0], answer="Once upon")
        assert talk.say(BE_BRIEF, answer=answer, continuing=True, echo=echo) == [BE_BRIEF, *CUT]
        assert talk.kept == [BE_BRIEF, *self.WHOLE]

    def test_what_the_client_has_added_to(self, talk: Talk, echo: bool, answer: str) -> None:
        talk.say(CUT[0], answer="Once")
        assert talk.say(CUT[1], answer=answer, continuing=True, echo=echo) == CUT
        assert talk.kept == self.WHOLE

    def test_parts(self, talk: Talk, echo: bool, answer: str) -> None:
        once = [{"type": "text", "text": "Once"}, {"type": "text", "text": " upon"}]
        talk.say(CUT[0], assistant(once), answer=answer, continuing=True, echo=echo)
        assert talk.kept[1] == assistant([once[0], {"type": "text", "text": " upon a time"}])

    def test_a_second_question(self, talk: Talk, echo: bool, answer: str) -> None:
        talk.say(user("Hi."), answer="Hello!")
        assert talk.say(*CUT, answer=answer, continuing=True, echo=echo) == [*FIRST, *CUT]
        assert talk.kept == [*FIRST, *self.WHOLE]


def test_a_turn_that_ends_while_another_continues_is_not_lost(talk: Talk) -> None:
    talk.say(CUT[0], answer="Once upon")
    continued = open_turn(talk.kept, [CUT[1]], continuing=True)
    talk.say(user("Hi."), answer="Hello!")
    talk.turns.append(continued.complete(" a time", echo=False))
    assert talk.kept == [*CUT, *FIRST, assistant("Once upon a time")]


def test_echo_repeats_the_assistant_and_nobody_else(talk: Talk) -> None:
    talk.say(user("Say ho."), assistant("ho"), answer="hoho", echo=True)
    talk.say(user("ho"), answer="ho", echo=True)
    assert [message["content"] for message in talk.kept] == ["Say ho.", "ho", "ho", "ho", "ho"]


def two(number: int) -> list[Message]:
    """One question and its answer."""
    return [user(f"{number}?"), assistant(f"{number}.")]


class TestBranches:
    """A client that repeats a beginning of what is stored, and then says something else."""

    @pytest.fixture
    def talk(self) -> Talk:
        talk = Talk()
        talk.say(user("1?"), answer="1.")
        talk.say(*two(1), user("2?"), answer="2.")
        return talk

    def test_the_model_gets_what_the_client_knows(self, talk: Talk) -> None:
        assert talk.say(*two(1), user("3?"), answer="3.") == [*two(1), user("3?")]
        assert talk.kept == [*two(1), *two(2), *two(3)]

    def test_both_branches_go_on(self, talk: Talk) -> None:
        talk.say(*two(1), user("3?"), answer="3.")
        assert talk.say(*two(1), *two(2), user("4?"), answer="4.") == [*two(1), *two(2), user("4?")]
        assert talk.say(*two(1), *two(3), user("5?"), answer="5.") == [*two(1), *two(3), user("5?")]
        assert talk.say(*two(1), *two(2), *two(4), user("6?"), answer="6.")[-3:] == [*two(4), user("6?")]
        assert talk.kept == [message for number in range(1, 7) for message in two(number)]

    def test_another_try_at_the_last_question(self, talk: Talk) -> None:
        assert talk.say(*two(1), user("2?"), answer="Two.") == [*two(1), user("2?")]
        assert talk.kept == [*two(1), *two(2), user("2?"), assistant("Two.")]

    def test_an_edited_question(self, talk: Talk) -> None:
        assert talk.say(*two(1), user("Two?"), answer="2.") == [*two(1), user("Two?")]

    @pytest.mark.parametrize("leading", [BE_BRIEF, None])
    def test_a_system_message_is_no_part_of_it(self, talk: Talk, leading: Message | None) -> None:
        before = [leading] if leading else []
        assert talk.say(*before, *two(1), user("3?"), answer="3.") == [*before, *two(1), user("3?")]

    def test_answers_may_come_back_otherwise(self, talk: Talk) -> None:
        given = [user("1?"), assistant([{"type": "text", "text": "1. "}]), user("3?")]
        talk.say(*given, answer="3.")
        assert talk.kept == [*two(1), *two(2), *two(3)]

    def test_another_answer_to_the_first_question(self, talk: Talk) -> None:
        mine = [user("1?"), assistant("One.")]
        assert talk.say(*mine, user("3?"), answer="3.") == [*mine, user("3?")]
        assert talk.kept == [*two(1), *two(2), *mine, *two(3)]
        assert talk.say(*mine, *two(3), user("4?"), answer="4.") == [*mine, *two(3), user("4?")]
        assert talk.kept == [*two(1), *two(2), *mine, *two(3), *two(4)]

    def test_a_question_alone_is_a_new_one(self, talk: Talk) -> None:
        assert talk.say(user("1?"), answer="Again.") == [*two(1), *two(2), user("1?")]
        assert talk.say(user("1?"), user("3?"), answer="3.")[-2:] == [user("1?"), user("3?")]

    def test_results_of_tools(self, talk: Talk) -> None:
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        calling = {"role": "assistant", "content": None, "tool_calls": [call]}
        results = [{"role": "tool", "tool_call_id": "1", "content": text} for text in ("42", "43")]
        tools = Talk()
        tools.say(user("a"), calling, results[0], answer="It is 42.")
        assert tools.say(user("a"), calling, results[1], answer="43.") == [user("a"), calling, results[1]]
        assert tools.kept[4:] == [results[1], assistant("43.")]

    def test_an_earlier_answer_is_continued(self, talk: Talk) -> None:
        seen = talk.say(user("1?"), assistant("1. And"), answer=" more", continuing=True)
        assert seen == [user("1?"), assistant("1. And")]
        assert talk.kept == [*two(1), *two(2), assistant("1. And more")]
        seen = talk.say(*two(1), user("2?"), assistant("2. And"), answer=" so", continuing=True)
        assert seen == [*two(1), user("2?"), assistant("2. And")]

    def test_what_does_not_begin_as_the_stored_is_appended(self, talk: Talk) -> None:
        assert talk.say(*two(7), user("3?"), answer="3.") == [*two(1), *two(2), *two(7), user("3?")]

    def test_many_messages_are_compared_quickly(self) -> None:
        stored = [message for number in range(20_000) for message in two(number % 7)]
        began = time.process_time()
        open_turn(stored, [*stored[:9_999], *two(9), user("a")], continuing=False)
        open_turn(stored, [stored[0], *[assistant("b")] * 10_000], continuing=False)
        assert time.process_time() - began < 1

    @pytest.mark.parametrize(
        "given",
        [[user("a"), *[user("b")] * 500], [user("a")] * 501, [*[user("a")] * 500, user("b")], [user("a"), user("b")]],
        ids=["a branch", "the same", "the same at first", "two"],
    )
    def test_each_message_is_read_once(self, monkeypatch: pytest.MonkeyPatch, given: list[Message]) -> None:
        read: list[Message] = []
        text_of = turns.text_of

        def reading(message: Message) -> str:
            read.append(message)
            return text_of(message)

        monkeypatch.setattr(turns, "text_of", reading)
        open_turn([user("a"), assistant("b")] * 500, given, continuing=False)
        assert len(read) <= 1000 + len(given)


def test_a_longer_message_whose_first_version_is_gone_stays() -> None:
    """Old turns are deleted by age and size."""
    longer = StoredTurn([assistant("Once upon a time")], continues=True)
    assert history([longer]) == [assistant("Once upon a time")]
