"""Checks of the model's files, or of its hub, before vLLM is imported, which takes many seconds.

What vLLM may load in a way that is not known here is left to vLLM.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_proc.exit_status import EXIT_UNREACHABLE, EXIT_USAGE
from engine_proc.hub import cache_directory, is_offline, unreachable

HF_CONFIG, MISTRAL_CONFIG = "config.json", "params.json"
"""Configuration file of a model in Hugging Face's format, and in Mistral's."""
KNOWN_FORMATS = ("auto", "hf", "mistral")
"""Values of vLLM's `--config-format` whose files are known here."""
WEIGHTS = {
    "hf": ("*.safetensors", "model.safetensors.index.json"),
    "safetensors": ("*.safetensors", "model.safetensors.index.json"),
    "fastsafetensors": ("*.safetensors", "model.safetensors.index.json"),
    "instanttensor": ("*.safetensors", "model.safetensors.index.json"),
    "mistral": ("consolidated*.safetensors", "consolidated.safetensors.index.json"),
}
"""By vLLM's `--load-format`: the files that are loaded, and the index that names those of them which are needed."""
LOADERS = ("--distributed-executor-backend", "--worker-cls")
"""Flags that may name a class of somebody's own, which loads what it likes. Names of vLLM's executors have no dots."""
OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.gguf")
MISTRAL_TOKENIZERS = ("tekken.json", "tokenizer.model.v*")
PREFIXES = ("--model", "--tokenizer", "--config")
"""Flags of vLLM's whose names begin the names of other flags: they are no abbreviations of these."""
MAX_HEADER = 100_000_000
"""Largest header of a safetensors file, in bytes, as the format's own library has it."""
LFS_POINTER = b"version https://git-lfs"
"""How a file begins that `git clone` has left for Git LFS to download."""
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(:[\w.-]+)?", re.ASCII)
"""`name` or `organisation/name`, perhaps with the quantization of a GGUF file."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a model cannot be loaded."""

    sentence: str
    """For the operator."""
    status: int = EXIT_USAGE
    """`EXIT_USAGE`: a second attempt would not help. `EXIT_UNREACHABLE`: it may."""


def check_model(argv: Sequence[str]) -> Problem | None:
    """Return what is wrong with the model that vLLM's command line `argv` names. None: nothing that can be seen yet."""
    if "--config" in argv:  # a file of flags
        return None
    model = flag(argv, "--model") or ""
    try:
        directory = Path(model)
        if "://" in model or directory.is_file():  # an object store's model, or a GGUF file
            return None
        if directory.is_dir():
            return _directory_problem(directory, argv)
    except OSError as error:
        return Problem(f"HEARTH_MODEL: {model} cannot be read: {error.strerror}")
    if model.startswith(("/", ".", "~")) or not (HUB_NAME.fullmatch(model) or model.endswith(".gguf")):
        return Problem(f"HEARTH_MODEL: there is no directory {model}")
    return None if flag(argv, "--load-format") == "dummy" else _hub_problem(model, argv)


def flag(argv: Sequence[str], name: str) -> str | None:
    """Return the last value of a flag, which is the one that counts; empty where it has none, None where it is absent.

    `name` has dashes; vLLM also takes underscores, and a name that is cut off.
    """
    found = None
    for position, argument in enumerate(argv):
        given, equals, value = argument.partition("=")
        given = given.replace("_", "-")
        if given == name or (len(given) > 2 and name.startswith(given) and given not in PREFIXES):
            following = argv[position + 1] if position + 1 < len(argv) else ""
            found = value if equals else "" if following.startswith("--") else following
    return found


# ---- a directory ---------------------------------------------------------------------------------------------------


def _directory_problem(directory: Path, argv: Sequence[str]) -> Problem | None:
    if (problem := _absence_problem(directory, argv)) is not None:
        return problem  # before a walk of what may be a whole file system
    mistral = any(directory.rglob("consolidated*.safetensors"))
    return (
        _configuration_problem(directory, argv, mistral)
        or _tokenizer_problem(directory, argv, mistral)
        or _weights_problem(directory, argv, mistral)
    )


def _absence_problem(directory: Path, argv: Sequence[str]) -> Problem | None:
    """Return that there is no configuration, where vLLM will read one in a format that is known here."""
    config = Path(flag(argv, "--hf-config-path") or directory)
    known = (flag(argv, "--config-format") or "auto") in KNOWN_FORMATS
    if known and config.is_dir() and not any((config / name).exists() for name in (HF_CONFIG, MISTRAL_CONFIG)):
        return Problem(f"HEARTH_MODEL: there is no model in {config}: it has neither {HF_CONFIG} nor {MISTRAL_CONFIG}")
    return None


def _configuration_problem(directory: Path, argv: Sequence[str], mistral: bool) -> Problem | None:
    """Return what is wrong with the configuration. `mistral`: vLLM prefers the files in Mistral's format."""
    kind = flag(argv, "--config-format") or "auto"
    if kind not in KNOWN_FORMATS:
        return None
    config = Path(flag(argv, "--hf-config-path") or directory)
    mistral = kind == "mistral" or (kind == "auto" and mistral and (config / MISTRAL_CONFIG).exists())
    return _json_problem(config / (MISTRAL_CONFIG if mistral else HF_CONFIG))


def _tokenizer_problem(directory: Path, argv: Sequence[str], mistral: bool) -> Problem | None:
    """Return what is wrong with the tokenizer in the model's directory. None, too: vLLM need not read it from there."""
    elsewhere = ("--tokenizer", "--skip-tokenizer-init", "--trust-remote-code")
    mode = flag(argv, "--tokenizer-mode") or "auto"
    if mode not in ("auto", "hf") or any(flag(argv, name) is not None for name in elsewhere):
        return None
    if not any(map(_is_tokenizer, directory.iterdir())):
        return Problem(
            f"HEARTH_MODEL: there is no tokenizer in {directory}: copy the model's tokenizer files there, "
            "or name another by --tokenizer"
        )
    if mode == "auto" and mistral and any(any(directory.rglob(name)) for name in MISTRAL_TOKENIZERS):
        return None
    return _json_problem(directory / "tokenizer_config.json") or _json_problem(directory / "tokenizer.json")


def _json_problem(path: Path) -> Problem | None:
    """Return why `path` is no JSON object. None: it is one, or there is no such file."""
    try:
        if not path.is_file():
            return None
        content = path.read_bytes()
        if content.startswith(LFS_POINTER):
            return Problem(f"HEARTH_MODEL: {path} is a pointer of Git LFS: run `git lfs pull` in its directory")
        if isinstance(json.loads(content), dict):
            return None
    except OSError as error:
        return Problem(f"HEARTH_MODEL: {path} cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        pass
    return Problem(f"HEARTH_MODEL: {path} is no JSON object; it may be cut off: download it again")


def _is_tokenizer(path: Path) -> bool:
    name = path.name
    return path.suffix in (".model", ".tiktoken", ".gguf") or any(word in name for word in ("token", "vocab", "tekken"))


def _weights_problem(directory: Path, argv: Sequence[str], mistral: bool) -> Problem | None:
    """Return what is wrong with the files that vLLM will load, by the rules of its default loader."""
    load_format = (flag(argv, "--load-format") or "auto").lower()
    if load_format == "auto":
        load_format = "mistral" if mistral else "hf"
    if load_format not in WEIGHTS or flag(argv, "--mm-encoder-only") is not None:
        return None
    if any("." in (flag(argv, name) or "") for name in LOADERS):
        return None
    pattern, index = WEIGHTS[load_format]
    files = {path.name for path in directory.glob(pattern)}
    needed = _indexed(directory / index)
    if not files and any(any(directory.rglob(other)) for other in (*OTHER_WEIGHTS, "*.safetensors")):
        return None  # the index is not read then
    if not files and not needed:
        return Problem(f"HEARTH_MODEL: there are no weights in {directory}: the download is incomplete")
    if absent := sorted(needed - files):
        return Problem(f"HEARTH_MODEL: {directory} lacks {', '.join(absent[:3])}: the download is incomplete")
    for name in sorted(needed or files):
        if why := _safetensors_problem(directory / name):
            return Problem(f"HEARTH_MODEL: {directory / name} {why}")
    return None


def _indexed(index: Path) -> set[str]:
    """Return the names of the weight files that an index lists. Empty: there is no index, or none that can be read."""
    try:
        shards: dict[str, Any] = json.loads(index.read_bytes())["weight_map"]
        return set(map(str, shards.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()


def _safetensors_problem(path: Path) -> str:
    """Return why the file is not whole, as the end of a sentence. Empty: it has the size that its header says."""
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS_POINTER))
            if start == LFS_POINTER:
                return "is a pointer of Git LFS: run `git lfs pull` in its directory"
            length = int.from_bytes(start[:8], "little")
            file.seek(8)
            header = json.loads(file.read(length)) if len(start) >= 8 and length <= MAX_HEADER else None
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]  # type: ignore[union-attr]
        whole = path.stat().st_size >= 8 + length + max(ends, default=0)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        whole = False
    return "" if whole else "is cut off or damaged: download it again"


# ---- a hub ---------------------------------------------------------------------------------------------------------


def _hub_problem(model: str, argv: Sequence[str]) -> Problem | None:
    """Return why the model cannot be downloaded. None: it is in the cache, or the hub accepts connections."""
    modelscope = os.environ.get("VLLM_USE_MODELSCOPE", "").lower() in ("1", "on", "yes", "true")
    custom = (flag(argv, "--config-format") or "auto") not in KNOWN_FORMATS
    if modelscope or custom or flag(argv, "--hf-config-path") is not None:
        return None
    cache = cache_directory()
    repository = "/".join(model.partition(":")[0].split("/")[:2])
    snapshots = cache / f"models--{repository.replace('/', '--')}" / "snapshots"
    try:
        found = list(snapshots.iterdir()) if snapshots.is_dir() else []
        if any(_is_usable(snapshot, argv) for snapshot in found):
            return None
    except OSError as error:
        return Problem(f"HEARTH_MODEL: the cache {cache} cannot be read: {error.strerror}")
    part = "has only a part of it" if any(any(snapshot.iterdir()) for snapshot in found) else "has no such model"
    absent = f"HEARTH_MODEL: there is no directory {model}, the cache {cache} {part}"
    if offline := is_offline():
        return Problem(f"{absent}, and {offline} forbids its download")
    hub = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    why = unreachable(hub)
    return Problem(f"{absent}, and the hub {hub} cannot be reached: {why}", EXIT_UNREACHABLE) if why else None


def _is_usable(snapshot: Path, argv: Sequence[str]) -> bool:
    """Return whether nothing is known to be missing in a cached model."""
    if not any((snapshot / name).exists() for name in (HF_CONFIG, MISTRAL_CONFIG)):
        return False
    mistral = any(snapshot.rglob("consolidated*.safetensors"))
    elsewhere = flag(argv, "--download-dir") is not None
    needed = set() if elsewhere or mistral else _indexed(snapshot / WEIGHTS["hf"][1])
    load_format = (flag(argv, "--load-format") or "auto").lower()
    others = any(any(snapshot.rglob(other)) for other in OTHER_WEIGHTS)
    return others or load_format not in ("auto", "hf") or all((snapshot / name).exists() for name in needed)
