"""The objects that all requests of a worker share, created by the application factory, one set per application."""

from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app
from gevent.threadpool import ThreadPool

from schemas.requests.anthropic.messages import CountTokensSchema, MessagesSchema
from schemas.requests.batches import BatchSchema
from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.requests.conversations import (
    ConversationCreationSchema,
    ConversationItemsSchema,
    ConversationUpdateSchema,
)
from schemas.requests.embeddings import EmbeddingSchema
from schemas.requests.files import FileUploadSchema
from schemas.requests.plain import PlainSchema
from schemas.requests.responses import ResponseSchema
from schemas.requests.tokenization import DetokenizeSchema, TokenizeSchema
from schemas.shared.endpoint import is_on_this_host
from webapp.connection.hangups import HangupWatch
from webapp.conversations.conversations import Conversations
from webapp.conversations.stored_responses import Responses
from webapp.engine.client import EngineClient
from webapp.settings import Settings

EXTENSION = "hearth"


class RequestSchemas:
    """One schema for each endpoint that takes a body; building a schema costs more than using it."""

    def __init__(self, settings: Settings) -> None:
        strict: Any = {"strict_fields": settings.strict_fields}
        limits: Any = {**strict, "max_choices": settings.max_choices}
        self.chat = ChatCompletionSchema(**limits)
        self.completion = CompletionSchema(**limits)
        self.response = ResponseSchema(**strict)
        self.message = MessagesSchema(**strict)
        self.message_count = CountTokensSchema(**strict)
        self.conversation = ConversationCreationSchema(**strict)
        self.conversation_update = ConversationUpdateSchema(**strict)
        self.conversation_items = ConversationItemsSchema(**strict)
        self.embedding = EmbeddingSchema(**strict)
        self.tokenize = TokenizeSchema(**strict)
        self.detokenize = DetokenizeSchema(**strict)
        self.plain = PlainSchema(**strict)
        self.file_upload = FileUploadSchema(**strict)
        self.batch = BatchSchema(**strict)


@dataclass(frozen=True, slots=True)
class Services:
    """The worker's one engine client, its stores, its watch for hang-ups, and its schemas."""

    settings: Settings
    engine: EngineClient
    conversations: Conversations
    responses: Responses
    hangups: HangupWatch
    schemas: RequestSchemas
    loader: ThreadPool
    """It loads large bodies and encodes large requests. It is one thread, because each keeps memory of its own."""


def register(app: Flask, settings: Settings) -> None:
    """Create the services of `app`. Nothing is connected before the first request."""
    conversations = Conversations(settings)
    run_dir = settings.run_dir if is_on_this_host(settings.endpoint) else None
    loader = ThreadPool(1)
    app.extensions[EXTENSION] = Services(
        settings=settings,
        engine=EngineClient(settings.endpoint, settings.recovery_seconds, loader, settings.curve_keys, run_dir),
        conversations=conversations,
        responses=Responses(conversations),
        hangups=HangupWatch(),
        schemas=RequestSchemas(settings),
        loader=loader,
    )


def services() -> Services:
    """Return the services of the application that handles the current request."""
    found: Services = current_app.extensions[EXTENSION]
    return found
