"""Checks of the model's files, or of its hub, before vLLM is imported, which takes many seconds."""

import json
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from engine_proc.exit_status import EXIT_LOAD_FAILED, EXIT_USAGE

CONFIGURATIONS = ("config.json", "params.json")
"""Configuration file of a model in Hugging Face's format, and in Mistral's."""
MAX_HEADER = 100_000_000
"""Largest header of a safetensors file, in bytes, as the format's own library has it."""
LFS_POINTER = b"version https://git-lfs"
"""How a file begins that `git clone` has left for Git LFS to download."""
HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?(:[A-Za-z0-9._-]+)?")
"""`name` or `organisation/name`, perhaps with the quantization of a GGUF file."""
CONNECT_SECONDS = 5.0
"""How long a hub has to accept a connection."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a model cannot be loaded."""

    sentence: str
    """For the operator."""
    status: int = EXIT_USAGE
    """`EXIT_USAGE`: a second attempt would not help. `EXIT_LOAD_FAILED`: it may."""


def check_model(argv: Sequence[str]) -> Problem | None:
    """Return what is wrong with the model that vLLM's command line `argv` names. None: nothing that can be seen yet."""
    model = flag(argv, "--model") or ""
    if "://" in model or Path(model).is_file():  # an object store's model, or a GGUF file: vLLM knows better
        return None
    directory = Path(model)
    if directory.is_dir():
        return _directory_problem(directory, argv)
    if model.startswith(("/", ".", "~")) or not HUB_NAME.fullmatch(model):
        return Problem(f"HEARTH_MODEL: there is no directory {model}")
    return None if flag(argv, "--load-format") == "dummy" else _hub_problem(model)


def flag(argv: Sequence[str], name: str) -> str | None:
    """Return the last value of a flag, which is the one that counts; empty where it has none, None where it is absent.

    `name` has dashes; vLLM also takes underscores.
    """
    found = None
    for position, argument in enumerate(argv):
        given, equals, value = argument.partition("=")
        if given.startswith("--") and given.replace("_", "-") == name:
            following = argv[position + 1] if position + 1 < len(argv) else ""
            found = value if equals else "" if following.startswith("--") else following
    return found


# ---- a directory ---------------------------------------------------------------------------------------------------


def _directory_problem(directory: Path, argv: Sequence[str]) -> Problem | None:
    config = Path(flag(argv, "--hf-config-path") or directory)
    if config.is_dir() and not any((config / name).exists() for name in CONFIGURATIONS):
        return Problem(f"HEARTH_MODEL: there is no model in {config}: it has neither {' nor '.join(CONFIGURATIONS)}")
    for path in (config / "config.json", directory / "tokenizer_config.json", directory / "tokenizer.json"):
        if path.is_file() and (why := _json_problem(path)):
            return Problem(f"HEARTH_MODEL: {path} {why}")
    no_tokenizer = flag(argv, "--tokenizer") is None and flag(argv, "--skip-tokenizer-init") is None
    if no_tokenizer and not any(map(_is_tokenizer, directory.iterdir())):
        return Problem(
            f"HEARTH_MODEL: there is no tokenizer in {directory}: copy the model's tokenizer files there, "
            "or name another by --tokenizer"
        )
    return None if flag(argv, "--load-format") == "dummy" else _weights_problem(directory)


def _json_problem(path: Path) -> str:
    """Return why `path` is no JSON object, as the end of a sentence. Empty: it is one."""
    try:
        content = path.read_bytes()
        if content.startswith(LFS_POINTER):
            return "is a pointer of Git LFS: run `git lfs pull` in its directory"
        if isinstance(json.loads(content), dict):
            return ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        pass
    return "is no JSON object; it may be cut off: download it again"


def _is_tokenizer(path: Path) -> bool:
    name = path.name
    return path.suffix in (".model", ".tiktoken", ".gguf") or any(word in name for word in ("token", "vocab", "tekken"))


def _weights_problem(directory: Path) -> Problem | None:
    if absent := absent_shards(directory):
        return Problem(f"HEARTH_MODEL: {directory} lacks {', '.join(absent[:3])}: the download is incomplete")
    for path in sorted(directory.glob("*.safetensors")):
        if why := _safetensors_problem(path):
            return Problem(f"HEARTH_MODEL: {path} {why}")
    return None


def absent_shards(directory: Path) -> list[str]:
    """Return the names of the weight files that the model's index lists and the directory lacks."""
    try:
        shards: dict[str, Any] = json.loads((directory / "model.safetensors.index.json").read_bytes())["weight_map"]
        names = sorted(set(map(str, shards.values())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [name for name in names if not (directory / name).exists()]


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


def _hub_problem(model: str) -> Problem | None:
    """Return why the model cannot be downloaded. None: it is in the cache, or the hub accepts connections."""
    repository = model.partition(":")[0]
    cache = _hub_cache()
    snapshots = cache / f"models--{repository.replace('/', '--')}" / "snapshots"
    if _is_true("VLLM_USE_MODELSCOPE") or (snapshots.is_dir() and any(snapshots.iterdir())):
        return None
    absent = f"HEARTH_MODEL: there is no directory {model}, the cache {cache} has no such model"
    if _is_true("HF_HUB_OFFLINE"):
        return Problem(f"{absent}, and HF_HUB_OFFLINE forbids its download")
    hub = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    why = _unreachable(hub)
    return Problem(f"{absent}, and the hub {hub} cannot be reached: {why}", EXIT_LOAD_FAILED) if why else None


def _hub_cache() -> Path:
    """Return the directory in which the hub's library keeps models, by its rules."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(name):
            return Path(value).expanduser()
    home = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return Path(os.path.expanduser(home)) / "hub"  # noqa: PTH111 (pathlib raises where there is no home)


def _is_true(name: str) -> bool:
    return os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")


def _unreachable(url: str) -> str:
    """Return why nothing accepts connections for `url`, or for the proxy that leads to it. Empty: something does."""
    target = urlsplit(url)
    proxy = getproxies().get(target.scheme)
    if proxy and not proxy_bypass(target.hostname or ""):
        target = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        port = target.port or (443 if target.scheme == "https" else 80)
        socket.create_connection((target.hostname or "", port), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""
