"""The messages that the engine sends to the web tier."""

import msgspec

from schemas.wire.protocol import Message


class Load(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How far the engine has loaded its model. `progress` is an estimate in [0, 1]; `ready` is exact."""

    ready: bool = False
    stage: str = ""
    progress: float = 0.0


class Welcome(Message, tag="welcome"):
    """The engine's identity, model and features: the answer to `Hello`, and sent again when its state changes.

    The model's fields are empty until `load.ready`.
    """

    major: int
    minor: int
    instance: str
    """A new value for every process that loads the model: when it changes, all live requests are lost."""
    pid: int = 0
    load_count: int = 1
    """How many times this engine's supervisor has loaded the model."""
    started: int = 0
    """When the model process was started, in Unix seconds."""
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
    """Names of the LoRA adapters that a request may choose, in addition to the model's own `served_names`."""
    shortcuts: list[str] = []
    """What the engine does by quicker ways than vLLM's, which gave the same results when the model was loaded."""
    sampling_defaults: dict[str, float] = {}
    """The model's own `temperature` and `top_p`, from its generation config; a missing one is 1."""

    @property
    def system_fingerprint(self) -> str:
        """OpenAI's `system_fingerprint`: it changes with the model's files and with vLLM's version, as answers do."""
        return f"fp_{self.fingerprint[:10]}_{self.engine_version.removeprefix('vllm ')}"

    def adapter_named(self, name: str | None) -> str:
        """Return `name` where it is one of `adapters`, else an empty string: the model itself."""
        return name if name in self.adapters else ""


class Pong(Message, tag="pong"):
    """The engine's load and queue right now: the answer to `Ping`."""

    instance: str
    load: Load = msgspec.field(default_factory=Load)
    live: int = 0
    """Requests accepted and not yet finished, over all web workers."""
    running: int = 0
    """Sequences that vLLM computes."""
    waiting: int = 0
    """Sequences in vLLM's queue."""
    kv_cache_usage: float = 0.0
    """Used share of vLLM's KV cache, 0 to 1."""


class Histogram(msgspec.Struct):
    """Counts of values, in seconds: `counts[i]` values were at most `bounds[i]` and above `bounds[i-1]`.

    `counts` has one item more than `bounds`: the last counts the values above every bound.
    """

    bounds: list[float]
    counts: list[int]
    total: float = 0.0
    """The sum of all values."""


class Stats(Message, tag="stats"):
    """The engine's statistics since the model was loaded: the answer to `AskStats`."""

    ttft: Histogram
    """TTFT of every sequence, discarded candidates and beams included, as measured in the engine process."""
    itl: Histogram
    """ITL of the same sequences, measured in the same place."""
    prompt_tokens: int = 0
    generated_tokens: int = 0
    prefix_cache_queries: int = 0
    """Prompt tokens that vLLM looked up in its prefix cache."""
    prefix_cache_hits: int = 0
    """Prompt tokens that vLLM found in its prefix cache."""


class Metrics(Message, tag="metrics"):
    """vLLM's metrics: the answer to `AskMetrics`."""

    text: str = ""
    """The metrics in Prometheus's text format; empty while the model loads."""


class LiveSummary(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One live request, for operators."""

    name: str
    """The id of the reply."""
    seconds: float
    """How long this engine has had it."""
    tenant: str = ""
    user: str = ""
    sequences: int = 1
    """Its candidates."""


class Requests(Message, tag="requests"):
    """The live requests of all web workers: the answer to `AskRequests`."""

    listed: list[LiveSummary] = []
    """The oldest, the oldest first."""
    total: int = 0


class Ended(Message, tag="ended"):
    """The answer to `EndRequest`."""

    name: str
    found: bool = False
    """Whether there was such a request. It has ended."""


class Refused(Message, tag="refused"):
    """The two sides' protocol versions are incompatible; `message` says which side to upgrade."""

    message: str


class Accepted(Message, tag="accepted"):
    """The request is valid and has been submitted to vLLM."""

    id: int
    prompt_tokens: int
    prompt_token_ids: list[list[int]] = []
    """`prompt_token_ids[p]` are the ids of prompt p. Empty unless `Generate.return_prompt_token_ids`."""
    warnings: list[str] = []
    """What of the request was done otherwise than it says, for the client."""


class Testing(Message, tag="testing"):
    """The engine is about to begin a request that has `losses`: if the engine dies now, that may be the cause."""

    id: int
    alone: bool = False
    """The engine works on no other request: if it dies before it sends `Cleared`, this one is the cause."""


class Cleared(Message, tag="cleared"):
    """These requests have passed their tests."""

    ids: list[int]


class Failed(Message, tag="failed"):
    """The request has failed, with this OpenAI error. Nothing follows."""

    id: int
    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: int | None = None
    resumable: bool = False
    """The engine failed, not the request: this or another engine can resume it (`Generate.sent`)."""


class TokenLogprob(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """One token and its natural log probability.

    It holds tuples and no lists: Python's garbage collector looks at such a tuple once, and at a list, with all that is
    in it, each time. With the lists of 64 choices of 300 tokens, that held a loop for 45 ms.
    """

    text: str
    id: int
    logprob: float | None
    """None for the first token of a prompt, which has no log probability because no token precedes it."""
    top: tuple[tuple[str, int, float], ...] = ()
    """The alternatives as (text, id, natural log probability), the most likely first."""
    silent: bool = False
    """True for a special token that the text leaves out."""
    rank: int = 0
    """1 for the most likely token; 0 from an older engine, which does not send ranks."""
    own_bytes: tuple[bytes, ...] = ()
    """The bytes of the token and of each of `top`, empty where they are its text's; the tuple is empty where all are.

    A token may be a part of a character: its text is then empty or U+FFFD, or the whole character in the last part.
    """


class ToolCall(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """The next part of one tool call of a choice: its id and name in the first part, then pieces of its arguments."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Delta(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """The text and tokens that one choice has gained since its previous delta."""

    id: int
    index: int
    text: str
    token_ids: list[int]
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: list[TokenLogprob] | None = None
    discarded_tokens: int = 0
    """Tokens generated for candidates that were not chosen: they count in the usage."""
    reasoning: str = ""
    tool_calls: list[ToolCall] = []
    cached_tokens: int = 0
    """Prompt tokens that vLLM had in its prefix cache: sent in the choice's first delta."""
    prompt_logprobs: list[TokenLogprob] | None = None
    """The prompt's log probabilities where `Sampling.prompt_logprobs` is set: sent in the choice's first delta."""
    vector: bytes = b""
    """An embedding as little-endian 32-bit floats."""
    reasoning_tokens: int = 0
    """How many of the choice's tokens are reasoning: sent in the choice's last delta."""
    more: bool = False
    """True where the choice's next delta is a part of the same one, divided for its many log probabilities.

    Only sent to a web tier of `PARTS_MINOR` or newer.
    """


class Deltas(Message, tag="deltas"):
    """Deltas of one engine step for one web worker: all of them, where they have few log probabilities."""

    batch: list[Delta]
