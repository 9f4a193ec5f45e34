"""Reads the hand-written corpus: questions with their answers, plain texts, and lists."""

from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
Turn = tuple[str, str]  # what the user says, what the assistant answers


@dataclass(frozen=True)
class Topic:
    """Several ways to ask one thing, and its one answer; the same `name` in two languages is a translation."""

    name: str
    language: str
    questions: list[str]
    answer: str


def read_topics(language: str) -> list[Topic]:
    """`@ name`, then lines `? question`, then `! answer`, which goes on until the next `@`."""
    topics = []
    for path in sorted((CORPUS / language).glob("*.txt")):
        for block in ("\n" + path.read_text(encoding="utf-8")).split("\n@ ")[1:]:
            head, answer = block.split("\n! ", 1)
            name, *questions = head.split("\n")
            topics.append(Topic(name.strip(), language, [q.removeprefix("? ") for q in questions], answer.strip()))
    return topics


def read_plain_texts() -> list[str]:
    return [
        text.strip()
        for path in sorted((CORPUS / "plain").glob("*.txt"))
        for text in path.read_text(encoding="utf-8").split("\n---\n")
    ]


def read_lines(name: str) -> list[str]:
    return (CORPUS / name).read_text(encoding="utf-8").splitlines()


def read_words(name: str) -> list[str]:
    return (CORPUS / name).read_text(encoding="utf-8").split()
