"""Make the message that carries a request to the engine: the client's parameters, and what the web tier adds."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from schemas.errors import ApiError, invalid
from schemas.wire import EXTENDED, Generate, GenerateParams, Welcome
from webapp.middleware.call import Call
from webapp.services import Services
from webapp.settings import Settings


def make_message(
    call: Call, shared: Services, params: GenerateParams, *, name: str, adapter: str = "", trace: str = ""
) -> Generate:
    """Return the message for the HTTP request `call`, with a new id from the engine client.

    `name` is the public id (`chatcmpl-...`), `trace` the W3C `traceparent` of the request's span. Raises `ApiError`
    (400) if the running engine is too old for a field.
    """
    check_engine(params, shared.engine.require_ready())
    sampling = params.sampling
    if params.stream and params.rewritten and sampling.seed is None:
        # An engine that resumes the answer generates it again from its start, and must then generate the same.
        sampling = structs.replace(sampling, seed=secrets.randbits(62))
    return Generate(
        **{
            **structs.asdict(params),
            "sampling": sampling,
            "cache_salt": _cache_salt(call, shared.settings, params.cache_salt),
        },
        id=shared.engine.next_id(),
        name=name,
        tenant=call.scope,
        adapter=adapter,
        request_id=call.request_id,
        trace=trace,
    )


def check_engine(params: GenerateParams, welcome: Welcome) -> None:
    """Raise `ApiError` (400) if the engine is older than this web tier and would ignore a part of the request."""
    field = None if EXTENDED in welcome.features else params.extended
    if field is not None:
        raise invalid(f"The engine that is running is too old for `{field}`: its operator must upgrade it.", field)


def _cache_salt(call: Call, settings: Settings, given: str) -> str:
    """Return the salt of the caller's prompts in vLLM's prefix cache.

    The time to the first token shows whether the beginning of a prompt is cached, so two keys share the cache only if
    the operator allows it.
    """
    own = "" if settings.share_prefix_cache or not settings.api_keys else call.scope
    return f"{call.scope}/{given}" if given else own


@contextmanager
def renamed(names: dict[str, str]) -> Iterator[None]:
    """Make an `ApiError` raised in the block name its field as this API does: `Shape.engine_names`."""
    try:
        yield
    except ApiError as error:
        error.rename(names)
        raise
