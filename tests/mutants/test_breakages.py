"""Each breakage still finds the line that it breaks: the code moves on, and `make mutants` is run seldom."""

import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from tests.mutants.breakages import BREAKAGES, Breakage


@pytest.mark.parametrize("breakage", BREAKAGES, ids=[f"{number}" for number in range(len(BREAKAGES))])
def test_it_finds_its_line(breakage: Breakage) -> None:
    assert (PROJECT_ROOT / breakage.file).read_text().count(breakage.old) == 1, breakage
    assert all((PROJECT_ROOT / path).exists() for path in breakage.tests.split())
