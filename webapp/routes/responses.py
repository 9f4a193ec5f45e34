"""`/v1/responses`: OpenAI's newer API, with the engine and the store that chat completions use."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import flask
from flask import Blueprint, Response

from schemas.errors import ApiError, invalid
from schemas.replies.blocks import encode
from schemas.replies.response import ResponseShape
from schemas.replies.shape import Shape, encode_json
from schemas.requests.parts.response_items import Item, name_items
from schemas.requests.responses import ResponseRequest
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.answering.counting import prompt_tokens
from webapp.answering.keeping import Keeping
from webapp.answering.message import renamed
from webapp.answering.response_prompt import Asked, echoed, is_long, prepare
from webapp.conversations.conversations import is_name
from webapp.conversations.paging import page
from webapp.conversations.stored_responses import response_not_found
from webapp.jobs.job import Job
from webapp.jobs.log.record import decode_work
from webapp.jobs.log.rendering import response_body
from webapp.jobs.responding import (
    after_of,
    answer_in_background,
    answer_resumable,
    follow,
    jobs,
    make_work,
    wants_resumable,
)
from webapp.middleware.auth import caller
from webapp.services import Services, services

blueprint = Blueprint("responses", __name__)


@blueprint.post("/v1/responses")
def create() -> Response:
    body: ResponseRequest = request_body.load(services().schemas.response)
    with renamed(ResponseShape.engine_names):
        asked = prepare(body)
        echoed = _echoed(body)
        keeping = _keeping(body, asked)
        job: dict[str, Any] = {"echoed": echoed, "conversation": body.conversation}
        if body.background:
            return answer_in_background(make_work(asked.request, "response", keeping, background=True, **job))
        make_shape = partial(ResponseShape, echoed, body.conversation)
        keep = None if keeping is None else partial(_keep, keeping, asked, caller(), services())
        if wants_resumable(asked.request):
            return answer_resumable(asked.request, "response", keeping, make_shape, keep, **job)
        return answer(asked.request, make_shape, keep)


@blueprint.post("/v1/responses/input_tokens")
def count_input() -> dict[str, Any]:
    body: ResponseRequest = request_body.load(services().schemas.response)
    with renamed(ResponseShape.engine_names):
        tokens = prompt_tokens(prepare(body).request.params)
    return {"object": "response.input_tokens", "input_tokens": tokens}


def _echoed(body: ResponseRequest) -> dict[str, Any]:
    return echoed(body, services().engine.require_ready())


def _keeping(body: ResponseRequest, asked: Asked) -> Keeping | None:
    """Return what to store of the answer. None: nothing."""
    if not body.store and asked.turn is None:
        return None
    return Keeping(
        conversation=body.conversation,
        turn=asked.turn,
        response=body.store,
        items=asked.items,
        messages=asked.messages,
    )


def _keep(keeping: Keeping, asked: Asked, scope: str, stores: Services, reply: Shape) -> str | None:
    """Store the response, and the turn of its conversation. Returns None, or a warning for the client.

    A stream calls this when its request's context has gone: `scope` and `stores` were taken from it.
    """
    work = keeping.turns
    found = stores.loader.apply(work, (reply,)) if is_long(asked.items) else work(reply)
    warnings = [stores.conversations.add(scope, name, *turns) for name, turns in found]
    return next((warning for warning in warnings if warning is not None), None)


@blueprint.get("/v1/responses/<response_id>")
def retrieve(response_id: str) -> Response:
    """Return the response, complete or not; with `stream`, its events."""
    if flask.request.args.get("stream", "").lower() in ("true", "1"):
        after = after_of(flask.request.args.get("starting_after"), "starting_after")
        job = jobs().find(caller(), response_id) if _is_of_job(response_id) else None
        if job is None:
            services().responses.get(caller(), response_id, lambda stored: None)
            message = "The response's events are not kept: it ended long ago, or was asked for without `background`."
            raise invalid(message, "stream", "stream_not_found")
        with renamed({"after": "starting_after"}):
            return follow(job, after)
    stored = services().responses.read(caller(), response_id, lambda found: found and encode_json(found.body))
    return Response(stored or _shown(_job(response_id)), content_type="application/json")


@blueprint.get("/v1/responses/<response_id>/input_items")
def input_items(response_id: str) -> Response:
    part_of = page()

    def listed(items: list[Item]) -> bytes:
        return encode_json(part_of(items))

    stored = services().responses.read(caller(), response_id, lambda found: found and listed(found.items))
    return Response(stored or _input_of(_job(response_id), listed), content_type="application/json")


@blueprint.delete("/v1/responses/<response_id>")
def delete(response_id: str) -> dict[str, Any]:
    """Delete a response. One that is not complete is cancelled."""
    had_job = _is_of_job(response_id) and jobs().delete(caller(), response_id)
    try:
        services().responses.delete(caller(), response_id)
    except ApiError as error:
        if not (had_job and error.status == 404):
            raise
    return {"id": response_id, "object": "response", "deleted": True}


@blueprint.post("/v1/responses/<response_id>/cancel")
def cancel(response_id: str) -> Response:
    """End a response that runs in the background, and return it; one that has ended is returned as it is.

    Raises `ApiError` (400) for any other: a client cancels one by closing its connection.
    """
    job = jobs().find(caller(), response_id) if _is_of_job(response_id) else None
    if job is None or not services().loader.apply(decode_work, (job.request,)).background:
        services().responses.get(caller(), response_id, lambda stored: None)
        raise invalid("Only a response that runs in the background can be cancelled.", "response_id")
    jobs().cancel(caller(), response_id)
    return retrieve(response_id)


def _is_of_job(response_id: str) -> bool:
    """Return whether a job of a response can have this id: jobs of other streams have ids of their own."""
    return is_name(response_id) and response_id.startswith(f"{ResponseShape.prefix}{ResponseShape.separator}")


def _job(response_id: str) -> Job:
    """Return the job of a response. Raises `ApiError` (404)."""
    job = jobs().find(caller(), response_id) if _is_of_job(response_id) else None
    if job is None:
        raise response_not_found(response_id)
    return job


def _shown(job: Job) -> bytes:
    """Return the response object of a job, as far as it is."""
    log = jobs().log(job)

    def show() -> bytes:
        return encode(response_body(decode_work(job.request), job.state, log))

    shown: bytes = services().loader.apply(show)
    return shown


def _input_of(job: Job, listed: Callable[[list[Item]], bytes]) -> bytes:
    """Return the page of a job's input that `listed` makes."""

    def show() -> bytes:
        work = decode_work(job.request)
        items = [] if work.keeping is None else work.keeping.items
        numbers = count()
        name_items(items, lambda prefix: f"{prefix}_{job.id.removeprefix('resp_')}{next(numbers):04x}")
        return listed(items)

    shown: bytes = request_body.in_thread(show)
    return shown
