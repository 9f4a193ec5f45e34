"""The errors with which the engine fails requests."""

import logging

from engine_proc.adapter.outputs import TOO_SLOW, Output
from schemas import wire
from schemas.errors import ApiError, invalid, unavailable

log = logging.getLogger("hearth.server")

STOPPING = unavailable("The engine is being stopped.", "engine_stopping")
LOADING = unavailable("The model is being loaded.", "engine_loading")
CRASHED = unavailable("The engine has crashed and is being restarted.", wire.CRASHED)
TESTING = unavailable("The engine is testing a request that may have ended another engine.", "engine_testing", 1)
CONTACT_LOST = unavailable("The engine lost contact with the web tier.", wire.CONTACT_LOST, 1)


def internal_error(component: str) -> ApiError:
    """Return the error of a request on which `component` has failed."""
    message = f"{component} failed on this request; the engine's log says why."
    return ApiError(500, message, type="server_error", code="internal_error")


def structure_error(field: str, *, limited: bool, too_slow: bool) -> ApiError:
    """Return the error of a sequence whose structure allows no token, or takes too long in steps that others wait for.

    `limited`: the request's white lists and biases rule out tokens too.
    """
    if too_slow:
        return invalid(f"The structure of `{field}` can be read in so many ways that it takes too long.", field)
    if limited:
        return invalid(f"No token is allowed by both `{field}` and the request's white lists and biases.", field)
    return invalid(f"The structure of `{field}` allows no token: no text of this model can match it.", field)


def check(output: Output) -> None:
    """Raise what ends the request of `output` alone: its sequence has failed."""
    request = output.tag.request
    if output.failed:
        log.error("%s failed in the adapter, as the traceback above says", request.name)
        raise internal_error("The engine")
    if output.finish_reason == "error":
        if request.structure:
            slow = output.stop_reason == TOO_SLOW
            raise structure_error(request.structure, limited=request.limited, too_slow=slow)
        raise internal_error("vLLM")
