"""Read the hand-written corpus: questions with their answers, plain texts, and word lists."""

from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
Turn = tuple[str, str]  # the user's message, the assistant's answer


@dataclass(frozen=True)
class Topic:
    """Several wordings of one question, and its answer. Topics of one name in two languages are translations."""

    name: str
    language: str
    questions: list[str]
    answer: str


def read_topics(language: str) -> list[Topic]:
    """Return the topics of a language.

    A topic in the files is a line `@ name`, lines `? question`, and `! answer`, which extends to the next `@`.
    """
    topics = []
    for path in sorted((CORPUS / language).glob("*.txt")):
        for block in ("\n" + path.read_text(encoding="utf-8")).split("\n@ ")[1:]:
            head, answer = block.split("\n! ", 1)
            name, *questions = head.split("\n")
            topics.append(Topic(name.strip(), language, [q.removeprefix("? ") for q in questions], answer.strip()))
    return topics


def read_plain_texts() -> list[str]:
    """Return the plain texts, which are separated by lines of `---`."""
    return [
        text.strip()
        for path in sorted((CORPUS / "plain").glob("*.txt"))
        for text in path.read_text(encoding="utf-8").split("\n---\n")
    ]


def read_lines(name: str) -> list[str]:
    return (CORPUS / name).read_text(encoding="utf-8").splitlines()


def read_words(name: str) -> list[str]:
    return (CORPUS / name).read_text(encoding="utf-8").split()
