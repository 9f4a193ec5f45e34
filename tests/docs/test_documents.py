"""What the documents say of settings, files and commands is so."""

import re
from pathlib import Path

import pytest

from schemas.endpoint import PROJECT_ROOT
from tests.readme import blocks

README, CHINESE = PROJECT_ROOT / "README.md", PROJECT_ROOT / "README.zh-CN.md"
DOCUMENTS = [README, CHINESE, *sorted((PROJECT_ROOT / "docs").glob("*.md")), PROJECT_ROOT / "demo_model/MODEL_CARD.md"]
READS_SETTING = re.compile(r'env\.\w+\(\s*"([A-Z_]+)"')


def test_every_setting_is_in_the_configuration_and_no_other() -> None:
    read = {
        f"HEARTH_{name}"
        for tier in ("webapp", "engine_proc")
        for name in READS_SETTING.findall((PROJECT_ROOT / tier / "settings.py").read_text())
    }
    rows = re.findall(r"^\| `(HEARTH_\w+)`", (PROJECT_ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    assert set(rows) == read


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
