"""Deltas that leave at one time, as one delta for each choice: fewer events for a client that is behind."""

from schemas.wire import Delta


def merged(deltas: list[Delta]) -> list[Delta]:
    """Return `deltas` with those of a choice joined, as vLLM's server does. What a parser has made stays as it is."""
    if len(deltas) < 2:
        return deltas
    runs: list[list[Delta]] = []
    open_runs: dict[int, list[Delta]] = {}
    for delta in deltas:
        run = open_runs.get(delta.index)
        if run is not None and _is_text(run[-1]) and run[-1].finish_reason is None and _is_text(delta):
            run.append(delta)
        else:
            run = open_runs[delta.index] = [delta]
            runs.append(run)
    return [run[0] if len(run) == 1 else _joined(run) for run in runs]


def _is_text(delta: Delta) -> bool:
    return not (delta.reasoning or delta.tool_calls or delta.vector or delta.prompt_logprobs)


def _joined(run: list[Delta]) -> Delta:
    first, last = run[0], run[-1]
    logprobs = None if first.logprobs is None else [entry for delta in run for entry in delta.logprobs or ()]
    return Delta(
        first.id,
        first.index,
        "".join([delta.text for delta in run]),
        [token_id for delta in run for token_id in delta.token_ids],
        last.finish_reason,
        last.stop_reason,
        logprobs,
        sum([delta.discarded_tokens for delta in run]),
        cached_tokens=sum([delta.cached_tokens for delta in run]),
        reasoning_tokens=last.reasoning_tokens,
    )
