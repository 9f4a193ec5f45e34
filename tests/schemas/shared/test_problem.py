"""Why no engine runs: stored by the engine, read by whoever asks."""

from pathlib import Path

from schemas.shared.problem import MAX_CHARS, clear_problem, read_problem, record_problem


def test_a_problem_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    assert read_problem(tmp_path) == ""
    record_problem(tmp_path, "there is\nno  model")
    assert read_problem(tmp_path) == "there is no model"
    record_problem(tmp_path, "x" * 10_000)
    assert len(read_problem(tmp_path)) == MAX_CHARS
    clear_problem(tmp_path)
    clear_problem(tmp_path)
    assert read_problem(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    record_problem(tmp_path / "nowhere", "a problem")
    assert read_problem(tmp_path / "nowhere") == ""


def test_a_file_of_random_bytes_is_read(tmp_path: Path) -> None:
    (tmp_path / "engine.problem").write_bytes(bytes(range(256)) * 100)
    assert 0 < len(read_problem(tmp_path)) <= MAX_CHARS
