"""What is wrong with a model is found, and said in one sentence, before vLLM is imported."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine_proc.exit_status import EXIT_UNREACHABLE, EXIT_USAGE
from engine_proc.model_check import Problem, check_model, flag

HEADER = json.dumps({"__metadata__": {}, "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(16)
PROXIES = [name for kind in ("http", "https", "all", "no") for name in (f"{kind}_proxy", f"{kind}_proxy".upper())]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 16\n"


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", *PROXIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "tokenizer.json").write_text("{}")
    (model / "model.safetensors").write_bytes(WEIGHTS)
    return model


def check(model: object, *flags: str) -> Problem | None:
    return check_model(["--model", str(model), *flags])


def test_a_whole_model_passes(model: Path) -> None:
    assert check(model) is None


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def damage(model: Path) -> None:
        (model / name).write_bytes(content)

    return damage


def test_a_directory_without_a_model_is_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `HEARTH_MODEL=/`, or a home directory on a network's file system, the walk took minutes."""
    walked: list[Path] = []

    def walk(path: Path, pattern: str) -> Iterator[Path]:
        walked.append(path)
        return iter(())

    monkeypatch.setattr(Path, "rglob", walk)
    problem = check(tmp_path)
    assert problem is not None and "it has neither config.json nor params.json" in problem.sentence
    assert walked == []


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda model: (model / "config.json").unlink(), "it has neither config.json nor params.json"),
        (write("config.json", b'{"architectures": ["Lla'), "config.json is no JSON object; it may be cut off"),
        (write("config.json", b""), "config.json is no JSON object; it may be cut off"),
        (write("config.json", b"[" * 100_000), "config.json is no JSON object; it may be cut off"),
        (write("config.json", b"[1]"), "config.json is no JSON object; it may be cut off"),
        (write("tokenizer_config.json", b'{"chat_te'), "tokenizer_config.json is no JSON object"),
        (write("tokenizer.json", POINTER), "tokenizer.json is a pointer of Git LFS"),
        (lambda model: (model / "tokenizer.json").unlink(), "there is no tokenizer in"),
        (lambda model: (model / "model.safetensors").unlink(), "there are no weights in"),
        (write("model.safetensors", WEIGHTS[:-1]), "model.safetensors is cut off or damaged"),
        (write("model.safetensors", b""), "model.safetensors is cut off or damaged"),
        (write("model.safetensors", b"\xff" * 100), "model.safetensors is cut off or damaged"),
        (write("model.safetensors", POINTER), "model.safetensors is a pointer of Git LFS"),
        (write("model.safetensors.index.json", b'{"weight_map": {"a": "b.safetensors"}}'), "lacks b.safetensors"),
    ],
)
def test_a_damaged_model_is_named(model: Path, damage: Callable[[Path], None], says: str) -> None:
    damage(model)
    problem = check(model)
    assert problem is not None
    assert says in problem.sentence
    assert str(model) in problem.sentence
    assert problem.status == EXIT_USAGE


INDEX_NAME = "model.safetensors.index.json"
INDEX = b'{"weight_map": {"a": "model.safetensors"}}'
MISSING = b'{"weight_map": {"a": "b.safetensors"}}'


def has(**files: bytes) -> Callable[[Path], None]:
    """Return what writes files; empty content removes one. `__` in a name stands for a dot."""

    def change(model: Path) -> None:
        for name, content in files.items():
            path = model / name.replace("__", ".")
            path.write_bytes(content) if content else path.unlink()

    return change


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        (has(config__json=b""), ["--config-format", "of_a_plugin"]),
        (has(config__json=b"", params__json=b"{}"), []),
        (has(config__json=b"[", params__json=b"{}", consolidated__safetensors=WEIGHTS), []),
        (has(tokenizer__json=b"["), ["--tokenizer=org/tokenizer"]),
        (has(tokenizer__json=b"["), ["--skip-tok"]),
        (has(tokenizer__json=b"["), ["--trust_remote_code"]),
        (has(tokenizer__json=b"["), ["--tokenizer-mode", "mistral"]),
        (has(tokenizer__json=b"[", tekken__json=b"{}", consolidated__safetensors=WEIGHTS), []),
        (
            has(
                model__safetensors=b"",
                **{INDEX_NAME: MISSING, "consolidated__safetensors": WEIGHTS},
            ),
            [],
        ),
        (has(model__safetensors=b"", **{INDEX_NAME: MISSING, "pytorch_model__bin": b"x"}), []),
        (has(model__safetensors=b"", weights__gguf=b"x"), []),
        (has(model__safetensors=b""), ["--load-format", "dummy"]),
        (has(model__safetensors=b""), ["--distributed-executor-backend", "bench.simulated_gpu.SimulatedGpu"]),
        (has(model__safetensors=b"x"), ["--load-format", "runai_streamer"]),
        (has(model__safetensors=b"x"), ["--load-format=sharded_state"]),
        (has(model__safetensors=b"x"), ["--load_format", "pt"]),
        (has(model__safetensors=b"x"), ["--load-f", "DUMMY"]),
        (has(adapter_model__safetensors=b"x", **{"model.safetensors.index.json": INDEX}), []),
        (has(model__safetensors=b"x", consolidated__safetensors=WEIGHTS), []),
        (has(config__json=b""), ["--config", "flags.yaml"]),
    ],
)
def test_what_vllm_does_not_read_is_not_refused(model: Path, change: Callable[[Path], None], flags: list[str]) -> None:
    change(model)
    assert check(model, *flags) is None


@pytest.mark.parametrize(
    ("change", "flags", "says"),
    [
        (has(consolidated__safetensors=b"x"), [], "consolidated.safetensors is cut off"),
        (has(params__json=b"["), ["--config-format", "mistral"], "params.json is no JSON object"),
        (has(model__safetensors=b"", **{INDEX_NAME: MISSING}), [], "lacks b.safetensors"),
        (has(consolidated__safetensors=b"x", **{INDEX_NAME: MISSING}), ["--load-format", "hf"], "lacks b.safetensors"),
    ],
)  # fmt: skip
def test_what_vllm_reads_must_be_whole(
    model: Path, change: Callable[[Path], None], flags: list[str], says: str
) -> None:
    change(model)
    problem = check(model, *flags)
    assert problem is not None
    assert says in problem.sentence


def test_flags_say_that_a_file_is_not_needed(model: Path, tmp_path: Path) -> None:
    (model / "tokenizer.json").unlink()
    assert check(model, "--tokenizer", "org/tokenizer") is None
    assert check(model, "--skip_tokenizer_init") is None
    (model / "tokenizer.json").write_text("{}")
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_text('{"weight_map": {"a": "b.safetensors"}}')
    assert check(model, "--load-format=dummy") is None


@pytest.mark.parametrize("name", ["/nowhere/llama", "./llama", "models/llama/8b", "models\\llama", "a llama", "~/x"])
def test_what_is_no_name_of_a_hub_is_a_directory_that_is_not_there(name: str) -> None:
    assert check(name) == Problem(f"HEARTH_MODEL: there is no directory {name}")


@pytest.mark.parametrize("name", ["s3://bucket/llama", "gs://bucket/llama"])
def test_an_object_store_is_left_to_vllm(name: str) -> None:
    assert check(name) is None


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        yield number


def test_a_hub_that_accepts_connections_is_asked_later(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    assert check("org/llama") is None


def test_a_hub_that_cannot_be_reached_may_be_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    problem = check("models/lama")
    assert problem is not None
    assert problem.status == EXIT_UNREACHABLE
    assert "there is no directory models/lama" in problem.sentence
    assert "the hub http://127.0.0.1:1 cannot be reached: Connection refused" in problem.sentence


def test_a_proxy_stands_for_the_hub(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    assert check("org/llama") is None


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h", ""])
@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
def test_any_proxy_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch, port: int, name: str, scheme: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://127.0.0.1:1")
    monkeypatch.setenv(name, f"{scheme}://127.0.0.1:{port}" if scheme else f"127.0.0.1:{port}")
    assert check("org/llama") is None


def test_a_hub_that_needs_no_proxy(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """`NO_PROXY` has several dialects: a network, a suffix, a star."""
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    assert check("org/llama") is None


@pytest.mark.parametrize("name", ["_org/_model", "org/model:UD-Q4_K_XL", "o", "org/repository/model-q4.gguf"])
def test_names_that_the_hub_takes(monkeypatch: pytest.MonkeyPatch, port: int, name: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    assert check(name) is None


def test_a_directory_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(f"/{'x' * 5000}") == Problem(f"HEARTH_MODEL: /{'x' * 5000} cannot be read: File name too long")


def test_offline_only_the_cache_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    problem = check("org/llama")
    assert problem is not None
    assert problem.status == EXIT_USAGE
    assert "HF_HUB_OFFLINE" in problem.sentence
    snapshot = tmp_path / "cache/hub/models--org--llama/snapshots/c0ffee"
    snapshot.mkdir(parents=True)
    assert check("org/llama") == problem, "a download that has only begun"
    (snapshot / "tokenizer.json").write_text("{}")
    (snapshot / "model.safetensors.index.json").write_text('{"weight_map": {"a": "b.safetensors"}}')
    problem = check("org/llama")
    assert problem is not None
    assert "has only a part of it" in problem.sentence
    (snapshot / "config.json").write_text("{}")
    assert check("org/llama") == problem
    assert check("org/llama", "--download-dir", "/elsewhere") is None
    assert check("org/llama", "--load-format", "sharded_state") is None
    (snapshot / "b.safetensors").write_bytes(WEIGHTS)
    assert check("org/llama") is None


def test_transformers_may_forbid_the_download_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "yes")
    problem = check("org/llama")
    assert problem is not None
    assert "TRANSFORMERS_OFFLINE forbids" in problem.sentence


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        ([], None),
        (["--max-model-len", "5"], "5"),
        (["--max_model_len=6"], "6"),
        (["--max-model-len", "5", "--max-model-len", "7"], "7"),
        (["--max-model-len"], ""),
        (["--max-model-len", "--other"], ""),
        (["--max-model=8"], "8"),
        (["--model", "9"], None),
    ],
)
def test_a_flags_last_value_counts(argv: list[str], value: str | None) -> None:
    assert flag(argv, "--max-model-len") == value
