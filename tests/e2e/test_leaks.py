"""What the tests look for at the end of a Hearth finds every process of it."""

from pathlib import Path

from tests.harness import processes_of, serving


def test_the_processes_of_a_web_tier_are_found(tmp_path: Path) -> None:
    with serving(tmp_path, ready=False, HEARTH_ENGINE_SPAWN="0") as hearth:
        assert hearth.web is not None
        web = {hearth.web.pid, *(worker.pid for worker in hearth.workers())}
        assert len(web) == 3
        assert web <= {process.pid for process in processes_of(str(tmp_path))}
    assert not processes_of(str(tmp_path))
