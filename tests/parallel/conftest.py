"""A Hearth for each layout, one at a time."""

from collections.abc import Iterator

import pytest

from tests.harness import Hearth, serving
from tests.parallel.layouts import CPUS, IN_FLOAT32, LAYOUTS, Layout


@pytest.fixture(scope="module", params=list(LAYOUTS.values()), ids=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> Layout:
    asked: Layout = request.param
    return asked


@pytest.fixture(scope="module")
def hearth(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    environment = {**CPUS, **layout.environment, "HEARTH_ENGINE_ARGS": f"{layout.flags} {IN_FLOAT32}"}
    with serving(tmp_path_factory.mktemp("parallel"), ready=True, key="none", **environment) as stack:
        yield stack
