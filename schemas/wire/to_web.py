"""The messages that the engine sends."""

import msgspec

from schemas.wire.protocol import Message


class Load(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How far an engine has come. `progress` is an estimate in [0, 1]; `ready` is exact."""

    ready: bool = False
    stage: str = ""
    progress: float = 0.0


class Welcome(Message, tag="welcome"):
    """Who the engine is. The model's fields are empty until `load.ready`."""

    major: int
    minor: int
    instance: str
    """New for every process that loads the model: a changed instance means that live requests are lost."""
    pid: int = 0
    load_count: int = 1
    """How often this engine's supervisor has loaded the model."""
    started: int = 0
    """Unix seconds."""
    engine_version: str = ""
    load: Load = msgspec.field(default_factory=Load)
    model: str = ""
    served_names: list[str] = []
    fingerprint: str = ""
    max_model_len: int = 0
    vocab_size: int = 0
    max_queue: int = 0
    features: list[str] = []
    adapters: list[str] = []
    """Names of LoRA adapters that a request may choose, beside the model's own `served_names`."""

    @property
    def system_fingerprint(self) -> str:
        """Of what an answer depends on, beside the request: the model's files and vLLM's version."""
        return f"fp_{self.fingerprint[:10]}_{self.engine_version.removeprefix('vllm ')}"

    def adapter_named(self, name: str | None) -> str:
        """The adapter of that name, or nothing."""
        return name if name in self.adapters else ""


class Pong(Message, tag="pong"):
    """The engine's pulse."""

    instance: str
    load: Load = msgspec.field(default_factory=Load)
    live: int = 0
    """Requests accepted and not yet ended, over all clients."""
    running: int = 0
    waiting: int = 0
    """Sequences that vLLM computes and that it keeps in its queue."""
    kv_cache_usage: float = 0.0


class Histogram(msgspec.Struct):
    """How often values, in seconds, have been at or below each bound and above the one before; the last count has none
    above it.
    """

    bounds: list[float]
    counts: list[int]
    total: float = 0.0
    """The sum of all values."""


class Stats(Message, tag="stats"):
    """What the engine has done since it was loaded: the answer to `AskStats`."""

    ttft: Histogram
    itl: Histogram
    """Of every sequence that vLLM has computed, discarded candidates and beams too, until the engine process has it."""
    prompt_tokens: int = 0
    generated_tokens: int = 0
    prefix_cache_queries: int = 0
    prefix_cache_hits: int = 0
    """Both in tokens of prompts."""


class Metrics(Message, tag="metrics"):
    """The answer to `AskMetrics`."""

    text: str = ""
    """vLLM's metrics in Prometheus's text format; empty while the model loads."""


class Refused(Message, tag="refused"):
    """The two sides cannot talk; `message` says which one to upgrade."""

    message: str


class Accepted(Message, tag="accepted"):
    """The request is valid and has been handed to vLLM."""

    id: int
    prompt_tokens: int
    prompt_token_ids: list[list[int]] = []
    """One list per prompt, where they were asked for."""


class Failed(Message, tag="failed"):
    """The request ends here, with this OpenAI error."""

    id: int
    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: int | None = None
    resumable: bool = False
    """It is the engine that gives up: this or another one can take the request up from where it stands."""


class TokenLogprob(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """One token. `top` is sorted from the most likely down: (text, id, natural log probability)."""

    text: str
    id: int
    logprob: float | None
    """None: the first token of a prompt, which nothing comes before."""
    top: list[tuple[str, int, float]] = []
    silent: bool = False
    """A special token that the text leaves out."""
    rank: int = 0
    """1 for the likeliest token; 0: an older engine, which does not say."""


class ToolCall(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """What one tool call of a choice has gained: first its id and name, then its arguments, bit by bit."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Delta(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """What one choice has gained since its last delta."""

    id: int
    index: int
    text: str
    token_ids: list[int]
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: list[TokenLogprob] | None = None
    discarded_tokens: int = 0
    """Generated for candidates that were not chosen: they count in the usage."""
    reasoning: str = ""
    tool_calls: list[ToolCall] = []
    cached_tokens: int = 0
    """Of the prompt, that vLLM had in its prefix cache: with the choice's first delta."""
    prompt_logprobs: list[TokenLogprob] | None = None
    """Where they were asked for as such: with the choice's first delta."""
    vector: bytes = b""
    """An embedding: 32-bit floats, little-endian."""


class Deltas(Message, tag="deltas"):
    """All that one engine step brought for one client."""

    batch: list[Delta]
