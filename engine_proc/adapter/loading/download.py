"""A hub's model, fetched before it is loaded, so that whoever waits sees how far it has come."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub.errors import DryRunError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import tqdm
from vllm.model_executor.model_loader import get_model_loader
from vllm.transformers_utils.repo_utils import hf_api

BYTES = "huggingface_hub.snapshot_download"
"""What the hub's library calls its bar of the bytes that are on disk."""


def fetch_weights(config: Any, on_bytes: Callable[[int, int], None]) -> None:
    """Those that vLLM is going to load, by its own rules, into its own cache; none where the model is a directory.

    `config`: vLLM's. `on_bytes` hears how many bytes have come, and of how many; nothing where none are wanted. Raises
    what the hub's library does.
    """
    if Path(config.model_config.model).exists():
        return
    api = hf_api()  # the one that all of vLLM in this process has
    download = api.snapshot_download

    def heard(*args: Any, **kwargs: Any) -> Any:
        try:
            files = download(*args, **kwargs, dry_run=True)
        except DryRunError:  # the hub does not answer: what is in the cache will have to do
            return download(*args, **kwargs)
        wanted = sum(file.file_size or 0 for file in files if file.will_download)
        return download(*args, **{**kwargs, "tqdm_class": _listener(wanted, on_bytes)})

    api.snapshot_download = heard
    try:
        get_model_loader(config.load_config).download_model(config.model_config)
    finally:
        del api.snapshot_download


def is_refusal(error: BaseException | None) -> bool:
    """Whether a hub has said that it does not have the model, or not for us: asking again would not help."""
    while error is not None:
        if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _listener(wanted: int, on_bytes: Callable[[int, int], None]) -> type[Any]:
    class Listener(tqdm):  # type: ignore[misc]
        """A bar that is heard, not drawn."""

        def __init__(self, *args: Any, name: str | None = None, **kwargs: Any) -> None:
            self._counts_bytes = name == BYTES
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0  # tqdm does not count where it does not draw
            if self._counts_bytes and wanted:
                on_bytes(min(self.n, wanted), wanted)

    return Listener
