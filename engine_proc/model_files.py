"""A model's directory: whether there is a model in it, and which one."""

import hashlib
from pathlib import Path

from engine_proc.settings import Settings

CONFIGURATIONS = ("config.json", "params.json")
"""What a model's directory has: Hugging Face's format, Mistral's own."""
SAMPLE_BYTES = 64 * 1024
"""Read from both ends of each file: reading all of an 8B model's weights would double the time of a load."""


def missing_model(settings: Settings) -> str | None:
    """The sentence for the operator where the model's directory is not there, or holds none."""
    if not settings.model.startswith(("/", ".")):
        return None
    directory = Path(settings.model)
    if not directory.is_dir():
        return f"HEARTH_MODEL: there is no directory {directory}"
    if not any((directory / name).exists() for name in CONFIGURATIONS):
        return f"HEARTH_MODEL: there is no model in {directory}: neither {' nor '.join(CONFIGURATIONS)}"
    return None


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
