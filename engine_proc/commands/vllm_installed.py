"""Whether an engine can run on this host. A host that was set up with BACKEND=web has no vLLM."""

from importlib.util import find_spec

WEB_TIER_ALONE = (
    "vLLM is not installed on this host, so it can run only the web tier. Set HEARTH_ENGINE_ENDPOINT to the engine's"
    " address and HEARTH_ENGINE_SPAWN=0, or install vLLM with `make setup BACKEND=cpu` (or BACKEND=cuda)."
)


def vllm_installed() -> bool:
    """Return whether vLLM is installed, without importing it."""
    return find_spec("vllm") is not None
