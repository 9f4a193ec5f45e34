"""Names and words for the training data: real ones, and invented ones."""

from random import Random

from corpus_files import read_lines, read_words

NAMES = read_words("names.txt")
SURNAMES, GIVEN_NAMES = (line.split() for line in read_lines("chinese_names.txt"))
HELD_OUT_NAMES = read_words("names_held_out.txt")
HELD_OUT_CHINESE_NAMES = read_words("held_out_chinese_names.txt")
HELD_OUT = {*HELD_OUT_NAMES, *HELD_OUT_CHINESE_NAMES}
WORDS = read_words("words.txt")
CHINESE_WORDS = read_words("chinese_words.txt")

ONSETS = [
    "",
    *[
        "b",
        "br",
        "c",
        "ch",
        "d",
        "dr",
        "f",
        "fl",
        "g",
        "gr",
        "h",
        "j",
        "k",
        "kl",
        "l",
        "m",
        "n",
        "p",
        "ph",
        "qu",
        "r",
        "s",
        "sh",
        "st",
        "t",
        "th",
        "tr",
        "v",
        "w",
        "y",
        "z",
    ],
]
VOWELS = ["a", "e", "i", "o", "u", "ai", "au", "ea", "ee", "ia", "io", "ou"]
CODAS = [*["b", "ck", "d", "l", "ll", "m", "n", "nd", "ng", "r", "rt", "s", "ss", "t", "th", "x"], *[""] * 12]


def made_up_word(rng: Random) -> str:
    syllables = rng.choice((1, 2, 2, 2, 3))
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(syllables))


def english_name(rng: Random) -> str:
    """Return a name, half of the time an invented one, so that the model learns to copy. Never a held-out name."""
    while True:
        name = rng.choice(NAMES) if rng.random() < 0.5 else made_up_word(rng).capitalize()
        if rng.random() < 0.08:
            name += " " + made_up_word(rng).capitalize()
        if name not in HELD_OUT and len(name) > 1:
            return name


def chinese_name(rng: Random) -> str:
    while True:
        name = (rng.choice(SURNAMES) if rng.random() < 0.7 else "") + rng.choice(GIVEN_NAMES)
        if rng.random() < 0.3:
            name = rng.choice(SURNAMES) + "".join(rng.sample("".join(CHINESE_WORDS), 2))
        if name not in HELD_OUT and len(name) > 1:
            return name


def capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
