"""What the documents say of settings, files and commands is so."""

import re
import subprocess
from pathlib import Path

import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from schemas.shared.known_settings import known_settings
from tests.readme import blocks

README, CHINESE = PROJECT_ROOT / "README.md", PROJECT_ROOT / "README.zh-CN.md"
DOCS = PROJECT_ROOT / "docs"
DOCUMENTS = [
    *sorted(PROJECT_ROOT.glob("*.md")),
    *sorted(DOCS.glob("*.md")),
    PROJECT_ROOT / "demo_model/MODEL_CARD.md",
]


def test_every_setting_is_in_the_configuration_and_no_other() -> None:
    rows = re.findall(r"^\| `(HEARTH_\w+)`", (PROJECT_ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    assert set(rows) == known_settings()
    assert len(rows) > 20


@pytest.mark.parametrize("language", ["sh", "python"])
def test_both_readmes_show_the_same_commands(language: str) -> None:
    assert blocks(README, language) == blocks(CHINESE, language)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        assert target.startswith("https://") or (document.parent / target).exists(), target


def test_make_targets_that_are_shown_exist() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    for document in DOCUMENTS:
        for target in re.findall(r"^make (\w[\w-]*)", "\n".join(blocks(document, "sh")), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{document.name}: make {target}"


def test_the_index_has_every_document_and_picture_is_shown() -> None:
    index = (DOCS / "README.md").read_text()
    for document in DOCS.glob("*.md"):
        assert document.name == "README.md" or f"({document.name})" in index, document.name
    shown = "".join(document.read_text() for document in DOCUMENTS)
    for image in (DOCS / "images").iterdir():
        assert f"images/{image.name})" in shown, image.name


def test_both_readmes_lead_to_the_same_places() -> None:
    def places(document: Path) -> list[str]:
        found = re.findall(r"\]\(([^)]+)\)|<(http[^>]+)>", document.read_text())
        return [(a or b).replace("-zh.png", ".png") for a, b in found if "README" not in (a or b) or "docs/" in a]

    assert places(README) == places(CHINESE)
    assert len(re.findall("^#", README.read_text(), re.MULTILINE)) == len(
        re.findall("^#", CHINESE.read_text(), re.MULTILINE)
    )


def test_the_architectures_picture_is_that_of_its_source_and_names_files_that_exist() -> None:
    source = (DOCS / "architecture.dot").read_text().replace(r"\n", " ")
    drawn = subprocess.run(["dot", "-Tsvg", DOCS / "architecture.dot"], capture_output=True, text=True, check=True)

    def labels(svg: str) -> list[str]:
        return re.findall(r"<text[^>]*>([^<]*)</text>", svg)

    assert labels((DOCS / "architecture.svg").read_text()) == labels(drawn.stdout), "run `make docs`"
    names = set(re.findall(r"\b(\w+\.py)\b", source))
    assert len(names) > 8
    existing = {
        path.name for room in ("webapp", "engine_proc", "schemas") for path in (PROJECT_ROOT / room).rglob("*.py")
    }
    assert names - existing == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_by_their_path_exist(document: Path) -> None:
    named = re.findall(r"`((?:webapp|engine_proc|schemas|tests|bench)/[\w./-]*)`", document.read_text())
    assert [path for path in named if not (PROJECT_ROOT / path).exists()] == []


def test_every_make_target_says_what_it_does() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    helped = subprocess.run(["make", "help"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    for target in phony.split():
        assert re.search(rf"^{target} +\S", helped, re.MULTILINE), target
