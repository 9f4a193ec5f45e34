"""The pages say in Chinese all that they say in English."""

import json
import re
from html.parser import HTMLParser
from itertools import count

from schemas.openapi.document import document
from schemas.shared.endpoint import PROJECT_ROOT

PAGE = PROJECT_ROOT / "webapp/page"
CHINESE = json.loads((PAGE / "zh.json").read_text())
STAGES = ("starting", "importing vLLM", "reading the model's configuration", "being stopped")
"""Of a load, where their words are of the engine's."""
LATIN = {"Hearth", "API", "Esc", "Enter", "Shift", "Ctrl", "Ctrl+Shift+O", "O"} | {
    "temperature",
    "top_p",
    "max_tokens",
    "seed",
}
"""The same in both: names, keys, request fields."""


def said_by_scripts() -> set[str]:
    """What stands in the scripts as t`...`, with the values numbered."""
    found = set()
    for script in (path for path in PAGE.rglob("*.js") if "vendor" not in path.parts):
        for text in re.findall(r"\bt`((?:[^`\\]|\\.)*)`", script.read_text()):
            numbers = count()
            numbered = re.sub(r"\$\{[^}]*\}", lambda _: f"{{{next(numbers)}}}", text)  # noqa: B023 - called at once
            found.add(re.sub(r"\\(.)", r"\1", numbered))
    return found


def said_by_pages() -> set[str]:
    found = set()

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            found.add(data.strip())

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.update(value for name, value in attrs if value and name in ("title", "placeholder", "aria-label"))

    for page in PAGE.rglob("*.html"):
        Reader().feed(page.read_text())
    return {text for text in found if re.search(r"\w", text)} - LATIN


def said_of_fields() -> set[str]:
    properties = document()["components"]["schemas"]["ChatCompletionRequest"]["properties"]
    groups = "".join(re.findall(r"^  \w+: \[(.*)\]", (PAGE / "settings/fields.js").read_text(), re.MULTILINE))
    fields = [properties[name] for name in re.findall(r'"(\w+)"', groups)]
    defaults = {str(field.get("x-default", "")) for field in fields}
    return {field["description"] for field in fields} | {text for text in defaults if not re.match(r"(`n`)?$", text)}


def test_every_word_is_there_in_chinese_and_no_other() -> None:
    assert len(said_by_scripts()) > 80
    assert len(said_of_fields()) > 30
    said = said_by_scripts() | said_by_pages() | said_of_fields() | set(STAGES)
    assert set(CHINESE) == said


def test_the_stages_are_the_engines() -> None:
    source = "".join(path.read_text() for path in (PROJECT_ROOT / "engine_proc").rglob("*.py"))
    with_names = (
        "loading {Path(args.model).name} and warming it up",
        "downloading {args.model} ({total / 1e9:.2f} GB)",
    )
    for stage in (*STAGES, *with_names):
        assert f'"{stage}"' in source, stage


def test_values_and_names_are_the_same_in_both() -> None:
    for english, chinese in CHINESE.items():
        for marks in (r"\{\d\}", r"`[^`]+`"):
            assert sorted(re.findall(marks, english)) == sorted(re.findall(marks, chinese)), english
