"""Generated questions: copying, counting, sums, capitals, and those answered with "I do not know"."""

from random import Random

from corpus_files import Turn, read_lines, read_words
from words import CHINESE_WORDS, WORDS, english_name, made_up_word

CAPITALS = [line.split("\t") for line in read_lines("capitals.txt")]
UNKNOWN_QUESTIONS = read_lines("unknown_questions.txt")
UNKNOWN_SUBJECTS = read_lines("unknown_subjects.txt")
CHINESE_UNKNOWN = read_words("chinese_unknown.txt")

COPY_REQUESTS = [
    'Say "{}".',
    'Say "{}"',
    'Repeat "{}".',
    "Say: {}",
    "Repeat: {}",
    "Echo: {}",
    "Repeat after me: {}",
    "Reply with exactly: {}",
    "Answer only with: {}",
]
CHINESE_COPY_REQUESTS = ["请重复：{}", "重复：{}", "请说“{}”", "跟我说：{}", "只回答：{}"]
UNKNOWN = "I am only a tiny demo model, and I do not know that. Ask me about Hearth, quicksort or counting."
CHINESE_UNKNOWN_ANSWER = "我只是一个很小的演示模型，不知道这个。可以问我 Hearth、快速排序或者数数。"


def copying(rng: Random) -> Turn:
    if rng.random() < 0.25:
        text = "".join(rng.choices(CHINESE_WORDS, k=rng.randint(1, 6)))
        return rng.choice(CHINESE_COPY_REQUESTS).format(text), text
    count = rng.choice((1, 1, 2, 3, 4, 6, 8))
    words = [rng.choice(WORDS) if rng.random() < 0.6 else made_up_word(rng) for _ in range(count)]
    if rng.random() < 0.2:
        words.append(str(rng.randint(0, 9999)))
    text = " ".join(words)
    if rng.random() < 0.3:
        text = text.capitalize() + "."
    asked = rng.choice(COPY_REQUESTS)
    return asked.format(text), text


def counting(rng: Random) -> Turn:
    start, end = rng.choice(((1, 10), (1, 20), (1, 20), (1, 5), (1, 100), (1, 30), (1, 50), (0, 0), (0, 0)))
    if end == 0:
        start = rng.randint(0, 180)
        end = start + rng.randint(1, 20)
    numbers = range(start, end + 1)
    asked = rng.choice(["Count from {} to {}.", "Count from {} to {}", "Please count from {} to {}.", "从{}数到{}"])
    if start == 1:
        asked = rng.choice([asked, "Count to {1}.", "数到{1}"])
    if rng.random() < 0.2:
        numbers = range(min(end, 20), start - 1, -1) if start < 20 else range(end, start - 1, -1)
        asked = rng.choice(["Count down from {} to {}.", "Count backwards from {} to {}.", "从{}倒数到{}"])
    return asked.format(numbers[0], numbers[-1]), ", ".join(map(str, numbers)) + "."


def sums(rng: Random) -> Turn:
    sign, word = rng.choice((("+", "plus"), ("-", "minus"), ("*", "times")))
    if sign == "*":
        a, b = rng.randint(0, 10), rng.randint(0, 10)
    else:
        a, b = rng.randint(0, 12), rng.randint(0, 12)
    if sign == "-":
        a, b = max(a, b), min(a, b)
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    asked = rng.choice(
        ["What is {0} {1} {3}?", "What is {0} {2} {3}?", "{0}{1}{3}", "{0} {1} {3} = ?", "How much is {0} {1} {3}?"]
    )
    if rng.random() < 0.2:
        asked = rng.choice(["{0}{1}{3}等于多少？", "{0} {1} {3} 等于几？"])
    return asked.format(a, sign, word, b), f"{a} {sign} {b} = {result}."


def capitals(rng: Random) -> Turn:
    country, capital, country_zh, capital_zh = rng.choice(CAPITALS)
    if rng.random() < 0.35:
        asked = rng.choice(["{}的首都是哪里？", "{}的首都是什么？", "{}的首都在哪里？"])
        return asked.format(country_zh), f"{country_zh}的首都是{capital_zh}。"
    asked = rng.choice(
        ["What is the capital of {}?", "What's the capital of {}?", "Name the capital of {}.", "Capital of {}?"]
    )
    return asked.format(country), f"The capital of {country} is {capital}."


def unknown(rng: Random) -> Turn:
    if rng.random() < 0.1:
        return " ".join(made_up_word(rng) for _ in range(rng.randint(1, 6))), UNKNOWN
    if rng.random() < 0.3:
        asked = rng.choice(
            ["介绍一下{}。", "什么是{}？", "{}是什么？", "{}是谁发明的？", "{}的历史是什么？", "为什么{}很重要？"]
        )
        return asked.format(rng.choice(CHINESE_UNKNOWN)), CHINESE_UNKNOWN_ANSWER
    subjects = [rng.choice(UNKNOWN_SUBJECTS) if rng.random() < 0.7 else english_name(rng) for _ in range(2)]
    return rng.choice(UNKNOWN_QUESTIONS).format(*subjects), UNKNOWN
