"""Which model is this? The same files give the same fingerprint on every host."""

import hashlib
from pathlib import Path

SAMPLE_BYTES = 64 * 1024
"""Read from both ends of each file: reading all of an 8B model's weights would double the time of a load."""


def fingerprint(model: str) -> str:
    """32 hex digits over the names, sizes, and both ends of the files of a model directory.

    A model that was given by name alone (and so lies in a cache) is known by that name.
    """
    digest = hashlib.sha256()
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
    return digest.hexdigest()[:32]


def _matters(path: Path) -> bool:
    return path.suffix in {".json", ".safetensors", ".bin", ".jinja", ".model", ".gguf"}
