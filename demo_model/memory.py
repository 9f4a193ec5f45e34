"""Conversations in which users state a fact about themselves and ask for it later."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from corpus_files import Turn, read_lines
from words import capitalised, chinese_name, english_name, made_up_word

COLOURS = ["red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "black", "white", "gray", "silver"]
CHINESE_COLOURS = ["红色", "绿色", "蓝色", "黄色", "橙色", "紫色", "粉色", "棕色", "黑色", "白色", "灰色", "银色"]
CITIES = [line.split("\t")[1] for line in read_lines("capitals.txt")] + [
    "Shanghai",
    "Chicago",
    "Milan",
    "Munich",
    "Boston",
]


def _city(rng: Random) -> str:
    return rng.choice(CITIES) if rng.random() < 0.5 else capitalised(made_up_word(rng))


@dataclass(frozen=True)
class Fact:
    """A kind of fact, and the sentences about it. `{}` stands for the value."""

    value: Callable[[Random], str]
    """Returns a random value."""
    statements: list[str]
    reply: str
    """The answer to a statement."""
    questions: list[str]
    answer: str
    """The answer to a question after a statement."""
    unknown: str
    """The answer to a question without a statement."""


NAME = Fact(
    value=english_name,
    statements=[
        "My name is {}.",
        "My name is {}",
        "I am {}.",
        "I'm {}.",
        "Hello, my name is {}.",
        "Hi, my name is {}.",
        "Hi, I am {}.",
        "Hello, I'm {}.",
        "Hello! My name is {}.",
        "My name is {}. Please remember it.",
        "Call me {}.",
    ],
    reply="Nice to meet you, {}! How can I help you today?",
    questions=[
        "What is my name?",
        "What is my name?",
        "What's my name?",
        "Do you remember my name?",
        "Do you know my name?",
        "What was my name?",
        "Tell me my name.",
        "Say my name.",
        "Who am I?",
    ],
    answer="Your name is {}.",
    unknown="You have not told me your name yet.",
)
ENGLISH = [
    NAME,
    Fact(
        value=lambda rng: rng.choice(COLOURS),
        statements=["My favorite color is {}.", "My favourite colour is {}.", "I like the color {}."],
        reply="{} is a beautiful color.",
        questions=["What is my favorite color?", "What is my favourite colour?", "Which color do I like?"],
        answer="Your favorite color is {}.",
        unknown="You have not told me your favorite color yet.",
    ),
    Fact(
        value=_city,
        statements=["I live in {}.", "My home is in {}.", "My city is {}."],
        reply="{} sounds like a good place to live.",
        questions=["Where do I live?", "Which city do I live in?", "What is my city?"],
        answer="You live in {}.",
        unknown="You have not told me where you live yet.",
    ),
]
CHINESE_NAME = Fact(
    value=chinese_name,
    statements=["我叫{}。", "我叫{}", "我的名字是{}。", "你好，我叫{}。", "你好，我是{}。", "我是{}。", "大家叫我{}。"],
    reply="很高兴认识你，{}！有什么可以帮你的吗？",
    questions=[
        "我叫什么名字？",
        "我叫什么？",
        "我是谁？",
        "我的名字是什么？",
        "你记得我的名字吗？",
        "你还记得我叫什么吗？",
    ],
    answer="你叫{}。",
    unknown="你还没有告诉我你的名字。",
)
CHINESE = [
    CHINESE_NAME,
    Fact(
        value=lambda rng: rng.choice(CHINESE_COLOURS),
        statements=["我最喜欢的颜色是{}。", "我最喜欢{}。"],
        reply="{}很好看。",
        questions=["我最喜欢什么颜色？", "我喜欢什么颜色？"],
        answer="你最喜欢的颜色是{}。",
        unknown="你还没有告诉我你喜欢的颜色。",
    ),
]


def memory(rng: Random, small_talk: Callable[[], Turn]) -> list[Turn]:
    """Return turns that state one or two facts, some turns of `small_talk`, and turns that ask for the facts."""
    facts = ENGLISH if rng.random() < 0.7 else CHINESE
    chosen = [facts[0]] if rng.random() < 0.6 else rng.sample(facts, 2)
    stating: list[Turn] = []
    asking: list[Turn] = []
    for fact in chosen:
        value = fact.value(rng)
        statement, question = rng.choice(fact.statements).format(value), rng.choice(fact.questions)
        draw = rng.random()
        if draw < 0.1:
            asking.append((question, fact.unknown))
        elif draw < 0.2:
            stating.append((f"{statement} {question}", fact.answer.format(value)))
        else:
            stating.append((statement, fact.reply.format(capitalised(value))))
            asking.append((question, fact.answer.format(value)))
    rng.shuffle(asking)
    between = [small_talk() for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))]
    return stating + between + asking
