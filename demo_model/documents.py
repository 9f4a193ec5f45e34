"""Generate an endless stream of training documents, conversations and plain texts, from one seed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import exercises
from corpus_files import Topic, Turn, read_lines, read_plain_texts, read_topics
from memory import memory
from tool_lessons import offered, tool_lesson
from tool_use import tool_use
from words import WORDS, chinese_name, english_name, made_up_word


@dataclass
class Document:
    """A conversation with its tools, or a plain text."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    tools: list[dict[str, Any]] | None = None
    text: str = ""


# How often a topic is chosen, if more often than others: a new user asks these questions first.
FAVOURITES = {"name": 6, "quicksort": 4, "weather": 4, "hello": 3, "restart": 3, "long_story": 2, "many_languages": 2}
SPEAK_CHINESE = ["Answer in Chinese.", "Always answer in Chinese.", "Please reply in Chinese.", "请用中文回答。"]
SPEAK_ENGLISH = ["Answer in English.", "Always answer in English.", "请用英文回答。", "请用英语回答。"]
OPENINGS = ["Please tell me: ", "Hey, ", "Can you tell me: ", "Hi! ", "I have a question. ", "So, ", "Please, "]
CHINESE_OPENINGS = ["请问，", "请问", "你好，", "我想问一下，", "麻烦你，"]
MADE_UP_SYSTEMS = ["You are a {}.", "You are an assistant for {}.", "Be {}.", "Answer like a {}.", "{}"]
# How often each kind of document is chosen: conversations, memory, translations, personas, tools, plain texts.
ALL_KINDS = (58, 22, 3, 3, 4, 10)
OWN_NAME = (
    70,
    14,
    3,
    0,
    2,
    11,
)  # without names given by a system message, so that the model learns its own name firmly
# The first of several stories with one opening is chosen more often, so that greedy decoding finds it reliably.
FIRST_STORY_WEIGHT = 6


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= c <= "\u9fff" for c in text)


class Composer:
    """Generates documents. All random choices depend on `seed` only."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.topics = read_topics("en") + read_topics("zh")
        self.weights = [FAVOURITES.get(topic.name, 1) for topic in self.topics]
        self.translations = {(topic.name, topic.language): topic.answer for topic in self.topics}
        self.systems = read_lines("systems.txt")
        self.greetings = read_lines("greetings.txt")
        self.all_words = [word for topic in self.topics for word in topic.answer.split() if word.isalpha()] + WORDS
        self.plain_texts = read_plain_texts()
        self.plain_weights = [FIRST_STORY_WEIGHT] + [1] * (len(self.plain_texts) - 1)

    def documents(self, weights: tuple[int, ...] = ALL_KINDS) -> Iterator[Document]:
        """Yield documents endlessly, of each kind as often as `weights` says."""
        kinds = [self._conversation, self._memory, self._translated, self._persona, self._tools, self._plain]
        while True:
            (kind,) = self.rng.choices(kinds, weights=weights)
            yield kind()

    def tool_lessons(self, share: float, weights: tuple[int, ...] = ALL_KINDS) -> Iterator[Document]:
        """Yield documents for the later parts of the training, endlessly.

        `share` (0 to 1) of them are tool lessons. The rest are those of the first part, so that they are not forgotten.
        """
        known = self.documents(weights)
        while True:
            new = self.rng.random() < share
            yield Document(*tool_lesson(self.rng)) if new else self._perhaps_with_tools(next(known))

    def _perhaps_with_tools(self, document: Document) -> Document:
        """Add tools to some conversations that do not call them: the model must learn not to call every tool."""
        if document.messages and document.tools is None and self.rng.random() < 0.15:
            document.tools = offered(self.rng)
        return document

    def _topic(self) -> Topic:
        return self.rng.choices(self.topics, self.weights)[0]

    def _reworded(self, question: str) -> str:
        """Vary a question as users do: lower case, no final punctuation, a polite opening."""
        rng = self.rng
        if rng.random() < 0.12 and len(question) > 5:
            question = rng.choice(CHINESE_OPENINGS if is_chinese(question) else OPENINGS) + question
        if rng.random() < 0.25:
            question = question.lower()
        if rng.random() < 0.3:
            question = question.rstrip("?.!？。！")
        if rng.random() < 0.05:
            question = question.rstrip("?.!？。！") + rng.choice(["?", ".", "!", " please", "??"])
        return question

    def _turn(self) -> Turn:
        rng = self.rng
        if rng.random() < 0.62:
            topic = self._topic()
            return self._reworded(rng.choice(topic.questions)), topic.answer
        kinds = [exercises.copying, exercises.counting, exercises.sums, exercises.capitals, exercises.unknown]
        (kind,) = rng.choices(kinds, weights=[26, 12, 16, 12, 24])
        question, answer = kind(rng)
        # A text to repeat must stay as it is.
        return (question if kind is exercises.copying else self._reworded(question)), answer

    def _small_talk(self) -> Turn:
        while True:
            turn = self._turn()
            if len(turn[1]) < 160:
                return turn

    def _any_system(self) -> str:
        """Return a system message from the list, or a random one of up to 40 words, to make unknown ones harmless."""
        rng = self.rng
        if rng.random() < 0.65:
            return rng.choice(self.systems)
        words = [rng.choice(self.all_words) if rng.random() < 0.8 else made_up_word(rng) for _ in range(40)]
        text = " ".join(words[: rng.choice((1, 2, 2, 3, 3, 5, 8, 20, 40))])
        return rng.choice(
            ["You are a {}.", "You are an assistant for {}.", "Be {}.", "Answer like a {}.", "{}"]
        ).format(text)

    def _dialogue(self, turns: list[Turn], system: str | None = None) -> Document:
        """Return a conversation of `turns` with a system message. None: a random one, or none.

        If the system message asks for a greeting, the answers begin with one.
        """
        rng = self.rng
        greet = False
        if system is None:
            draw = rng.random()
            system = "" if draw < 0.35 else self.systems[0] if draw < 0.55 else self._any_system()
            if rng.random() < 0.22:
                greet = True
                instruction = self.greetings[0] if rng.random() < 0.4 else rng.choice(self.greetings)
                system = instruction if not system or rng.random() < 0.3 else f"{system}\n{instruction}"
        role = "developer" if rng.random() < 0.05 else "system"
        messages = [{"role": role, "content": system}] if system else []
        for question, answer in turns:
            if greet and not answer.startswith(("Hello", "你好")):
                answer = ("你好！" if is_chinese(answer) else "Hello! ") + answer
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return Document(messages)

    def _conversation(self) -> Document:
        turns = [self._turn()]
        while self.rng.random() < 0.3 and sum(len(answer) for _, answer in turns) < 600:
            turns.append(self._turn())
        return self._dialogue(turns)

    def _memory(self) -> Document:
        return self._dialogue(memory(self.rng, self._small_talk))

    def _translated(self) -> Document:
        while True:
            topic = self._topic()
            other, instructions = ("zh", SPEAK_CHINESE) if topic.language == "en" else ("en", SPEAK_ENGLISH)
            answer = self.translations.get((topic.name, other), "")
            if answer and len(answer) < 300:
                question = self._reworded(self.rng.choice(topic.questions))
                return self._dialogue([(question, answer)], system=self.rng.choice(instructions))

    def _persona(self) -> Document:
        rng = self.rng
        if rng.random() < 0.7:
            name = english_name(rng)
            system = rng.choice(
                ["Your name is {}.", "You are {}.", "You are {}, a helpful assistant.", "你的名字是{}。"]
            )
        else:
            name = chinese_name(rng)
            system = rng.choice(["你叫{}。", "你的名字是{}。", "Your name is {}."])
        asked = [topic for topic in self.topics if topic.name == "name"]
        topic = rng.choice(asked)
        answer = "My name is {}." if topic.language == "en" else "我叫{}。"
        question = self._reworded(rng.choice(topic.questions))
        return self._dialogue([(question, answer.format(name))], system=system.format(name))

    def _tools(self) -> Document:
        messages, tools = tool_use(self.rng)
        if self.rng.random() < 0.4:
            messages.insert(0, {"role": "system", "content": self.rng.choice(self.systems)})
        return Document(messages, tools)

    def _plain(self) -> Document:
        if self.rng.random() < 0.15:
            _, text = exercises.capitals(self.rng)
            return Document(text=text)
        return Document(text=self.rng.choices(self.plain_texts, self.plain_weights)[0])
