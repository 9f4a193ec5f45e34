"""The fingerprint of a model: what of its files and options makes its answers what they are."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SAMPLE_BYTES = 64 * 1024
"""How much of each end of a file is read. To read all weights of an 8B model would double the time of a load."""


def fingerprint(model: str, others: Mapping[str, str] | None = None, options: Mapping[str, Any] | None = None) -> str:
    """Return 32 hex digits that change with whatever makes the answer of a resumed request another one.

    `model` and `others` (adapters, a tokenizer of its own, by name) are directories, of which the names, the sizes and
    both ends of the files count, or names on a hub (whose files are in a cache), which count themselves. `options` are
    values that JSON can represent.
    """
    digest = hashlib.sha256()
    _add_files(digest, model)
    for name, directory in sorted((others or {}).items()):
        digest.update(f"\0{name}\0".encode())
        _add_files(digest, directory)
    if options:
        digest.update(json.dumps(options, sort_keys=True).encode())
    return digest.hexdigest()[:32]


def _add_files(digest: "hashlib._Hash", model: str) -> None:
    root = Path(model)
    files = sorted(path for path in root.iterdir() if path.is_file() and _matters(path)) if root.is_dir() else []
    if not files:
        digest.update(model.encode())
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(SAMPLE_BYTES))
            file.seek(max(0, size - SAMPLE_BYTES))
            digest.update(file.read(SAMPLE_BYTES))


def _matters(path: Path) -> bool:
    """Return whether a file has an effect on the answers: weights, configuration, tokenizer, chat template."""
    return path.suffix in {".json", ".safetensors", ".bin", ".jinja", ".model", ".gguf"}
