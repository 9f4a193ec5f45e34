"""docs/compatibility.md is what the schemas say today, and its endpoints are there."""

from schemas.openapi.paths import PATHS
from schemas.shared.endpoint import PROJECT_ROOT
from tests.docs.compatibility import BETTER, DIFFERENT, ENDPOINTS, NOTES, SAME, document


def test_the_document_is_current() -> None:
    assert (PROJECT_ROOT / "docs/compatibility.md").read_text() == document(), "run `make docs`"


def test_what_is_said_to_be_there_is() -> None:
    ours = {(method.upper(), path) for path, operations in PATHS.items() for method in operations}
    for name, status, _ in ENDPOINTS:
        method, _, path = name.partition(" ")
        assert ((method, path) in ours) == (status in (SAME, BETTER, DIFFERENT)), name


def test_no_field_that_differs_is_left_without_a_reason() -> None:
    assert all(why for status, why in NOTES.values() if status in (BETTER, DIFFERENT))
