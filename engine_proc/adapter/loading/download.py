"""Download a hub's model before it is loaded, and report the progress to those who wait for the engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub.errors import DryRunError, HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import tqdm
from vllm.model_executor.model_loader import get_model_loader
from vllm.transformers_utils.repo_utils import hf_api

BYTES = "huggingface_hub.snapshot_download"
"""Name that the hub's library gives to its progress bar of bytes."""
HTTP_ERROR: type[Exception] = HfHubHTTPError.__bases__[0]
"""The base of all errors of the HTTP library that the hub's library uses."""
BUSY = (408, 425, 429)
"""Statuses with which a hub asks for another try."""


def fetch_weights(config: Any, on_bytes: Callable[[int, int], None]) -> None:
    """Download the files that vLLM will load, chosen by vLLM's rules, to vLLM's cache. A local directory needs none.

    `config` is vLLM's. `on_bytes` is called with the bytes downloaded so far and their total; not at all if no file is
    missing. Raises the errors of the hub's library.
    """
    if Path(config.model_config.model).exists():
        return
    api = hf_api()  # the one object that all of vLLM in this process uses
    download = api.snapshot_download

    def download_with_progress(*args: Any, **kwargs: Any) -> Any:
        try:
            files = download(*args, **kwargs, dry_run=True)
        except DryRunError:  # the hub does not answer: load what is in the cache
            return download(*args, **kwargs)
        total = sum(file.file_size or 0 for file in files if file.will_download)
        return download(*args, **{**kwargs, "tqdm_class": _progress_bar(total, on_bytes)})

    api.snapshot_download = download_with_progress
    try:
        get_model_loader(config.load_config).download_model(config.model_config)
    finally:
        del api.snapshot_download


def is_unreachable(error: BaseException | None) -> bool:
    """Return whether a load has failed because a hub did not answer, or not as it should: another try may help.

    What a hub refuses, because it does not exist or is private, will be refused again.
    """
    while error is not None:
        if isinstance(error, HfHubHTTPError) and 400 <= error.response.status_code < 500:
            return int(error.response.status_code) in BUSY
        if isinstance(error, (ConnectionError, TimeoutError, LocalEntryNotFoundError, HTTP_ERROR)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _progress_bar(total: int, on_bytes: Callable[[int, int], None]) -> type[Any]:
    class ProgressBar(tqdm):  # type: ignore[misc]
        """A progress bar that calls `on_bytes` and draws nothing."""

        def __init__(self, *args: Any, name: str | None = None, **kwargs: Any) -> None:
            self._counts_bytes = name == BYTES
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0  # tqdm does not count while it does not draw
            if self._counts_bytes and total:
                on_bytes(min(self.n, total), total)

    return ProgressBar
