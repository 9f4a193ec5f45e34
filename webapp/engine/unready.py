"""The refusals (503) of requests that no engine can take."""

from schemas.errors import ApiError, unavailable
from schemas.wire import Load

PROBLEM_RETRY_SECONDS = 30
"""`Retry-After` where the operator must mend something first."""


def unready(state: str, load: Load | None, refusal: str | None, problem: str) -> ApiError:
    """Return why the engine accepts no request. `state` is `EngineClient.state()`'s.

    `load` is the progress of an engine that answers, `refusal` its reason to refuse this web tier, and `problem` why no
    engine runs, where that is known.
    """
    if refusal is not None:
        return unavailable(f"The engine cannot be used: {refusal}.", "engine_incompatible", 60)
    if load is not None:
        return unavailable(f"The engine is {state} ({load.stage}, about {load.progress:.0%}).", f"engine_{state}")
    if problem:
        return unavailable(f"The engine is not running: {problem}", f"engine_{state}", PROBLEM_RETRY_SECONDS)
    return unavailable("The engine does not answer; it may be starting.", f"engine_{state}")


def worker_failed() -> ApiError:
    """Return why this worker takes no request: it can no longer talk to any engine."""
    message = "This web worker has failed and is being replaced. Send the request again."
    return unavailable(message, "worker_failed", 1)
