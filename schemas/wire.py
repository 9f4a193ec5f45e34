"""The messages between the web tier and the engine, and nothing about how they travel.

One ZeroMQ frame holds one message, and several frames may travel as one of ZeroMQ's messages (to an engine: where it
has the feature `FRAMES`). A message is a msgpack map with the tag field `t`. Unknown fields are ignored and
missing ones take their defaults, so either side may be newer than the other within one MAJOR version.
`Delta` and `TokenLogprob` are arrays, for they are the hot path: new fields go at the END, with a default.
"""

from typing import Annotated, Any

import msgspec

MAJOR = 1
"""Raised when an older peer could misread a message. Engine and web tier then refuse each other."""
MINOR = 4
"""Raised when something was added that an older peer may ignore."""

RESUMES = "resume"
"""Among `Welcome.features`: this engine continues choices whose beginning another engine has sent."""
FRAMES = "frames"
"""Likewise: it takes several frames at once."""
EXTENDED = "extended"
"""Likewise: it knows what `Generate.extended` looks for. An older one would ignore it, and answer another question."""


METRICS = "metrics"
"""Likewise: it answers `AskMetrics`."""


class Message(msgspec.Struct, tag_field="t", omit_defaults=True, kw_only=True):
    """What every message but the hot-path arrays is: a tagged map."""


# ---- web tier -> engine -------------------------------------------------------------------------------------


class Hello(Message, tag="hello"):
    """The first message of a connection, and again whenever `Pong.instance` changes. Answered by `Welcome`."""

    major: int
    minor: int
    client: str = ""


class Ping(Message, tag="ping"):
    """Sent every second; a client that stays silent for `CLIENT_SILENCE_LIMIT` has its requests aborted."""

    ids: list[int] = []
    """All requests that the client waits for. Each that the engine does not work on is answered by a `Failed`."""


class Structure(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What the text of an answer must be: exactly one of these."""

    json: dict[str, Any] | None = None
    """A JSON Schema."""
    json_object: bool = False
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    """EBNF, or Lark's notation."""
    field: str = ""
    """Where the request has it, for errors."""


class Sampling(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How each choice is generated. `None` means: the loaded model's own default (its generation config)."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: list[str] = []
    stop_token_ids: list[int] = []
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False
    add_default_stop: bool = True
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool | None = None
    """None: as the tokenizer itself has it."""
    logprobs: int | None = None
    """Alternatives per token; 0 gives the chosen token's own log probability alone."""
    logit_bias: dict[str, float] = {}
    """Keyed as the request had it: a token id in digits, or token text."""
    white_list_token_ids: list[int] = []
    white_list_token: list[str] = []
    stop_on_repetition: bool = False
    use_beam_search: bool = False
    """Beam search of width `Generate.candidates`, scored by log probability / length**`length_penalty`."""
    length_penalty: float = 1.0
    min_tokens: int = 0
    bad_words: list[str] = []
    allowed_token_ids: list[int] = []
    """As `white_list_token_ids`, under vLLM's name."""
    prompt_logprobs: int | None = None
    """Alternatives per token of the prompt; they travel apart from the answer's."""
    structure: Structure | None = None


class Generate(Message, tag="generate"):
    """One HTTP request. Answered by `Accepted` and then `Deltas`, or by one `Failed`.

    Exactly one of `messages` (chat, rendered with the model's template) and `prompts` (each text or token ids)
    is given. Choice `p * n + i` is the i-th choice of prompt p.
    """

    id: int
    """Unique within the sending client, which alone sees it."""
    name: str
    """The public request id (`chatcmpl-...`), for the logs."""
    messages: list[dict[str, Any]] | None = None
    prompts: list[str | list[int]] | None = None
    n: Annotated[int, msgspec.Meta(ge=1)] = 1
    best_of: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Candidates per prompt, of which the n best are sent; 0, or fewer than n, means n."""
    echo: bool = False
    """Begin each choice with the prompt (its log probabilities too, where they are wanted), or with the chat's last
    message where that is the assistant's."""
    suffix: str = ""
    """What follows the answer: the model fills the middle where it can, else the suffix is set after the text."""
    stream: bool = False
    """False: the engine sends each choice whole, in one delta, when it has ended."""
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    user: str = ""
    tenant: str = ""
    """Whose request this is, for limits that hold over all web workers: a digest of the API key, or nothing."""
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    sent: dict[int, list[int]] = {}
    """Token ids that the client has of choices begun by an engine that was lost: each choice goes on after them."""
    ended: list[int] = []
    """Choices that the client has whole."""
    resumed: bool = False
    """An engine, perhaps this one, has let the request in before and then lost it: it is not turned away."""
    cache_salt: str = ""
    """Only requests of the same salt find each other's prompts in vLLM's prefix cache."""
    tools: list[dict[str, Any]] = []
    """OpenAI's: `{"type": "function", "function": {"name", "description", "parameters", "strict"}}`."""
    tool_choice: str | dict[str, Any] = "auto"
    """`none`, `auto`, `required`, or OpenAI's object that names a function."""
    parallel_tool_calls: bool = True
    include_reasoning: bool = True
    chat_template_kwargs: dict[str, Any] = {}
    truncate_prompt_tokens: int | None = None
    """Keep so many tokens of the prompt, the last ones; -1: as many as the context has room for."""
    priority: int = 0
    """The lower, the earlier, where vLLM schedules by priority."""
    return_prompt_token_ids: bool = False

    add_special_tokens: bool | None = None
    """What the tokenizer puts around a text; None: as it is usual, for texts but not for chats."""
    tokens_only: str = ""
    """Nothing is generated: the one delta of the one prompt ends it. `counted`: `Accepted` says it all. `named`: the
    delta's log probabilities name the tokens. `text`: its text is the prompt's."""
    embed: bool = False
    """Not text is wanted but one vector of each prompt, in a delta of its own."""
    dimensions: int | None = None
    """Of the vectors; None: as the model has them."""
    adapter: str = ""
    """The LoRA adapter, among `Welcome.adapters`; none: the model itself."""
    request_id: str = ""
    """The client's own name for the request, for the logs."""
    trace: str = ""
    """The web tier's span, as W3C's `traceparent`: the engine's are its children."""

    @property
    def log_name(self) -> str:
        """What logs call the request."""
        return f"{self.name} ({self.request_id})" if self.request_id else self.name

    @property
    def extended(self) -> str | None:
        """A field that engines without the feature `EXTENDED` would ignore, or None."""
        return next((name for name in _EXTENDED if _given(self, name) or _given(self.sampling, name)), None)

    @property
    def rewritten(self) -> bool:
        """Another engine may have to write it again from its start: vLLM cannot enter a structure midway."""
        return self.sampling.structure is not None or bool(self.tools and self.tool_choice != "none")

    @property
    def choices(self) -> int:
        """How many answers are wanted, over all prompts."""
        return self.n * len(self.prompts or (None,))

    @property
    def candidates(self) -> int:
        """How many sequences are generated for each prompt."""
        return max(self.n, self.best_of)


class Abort(Message, tag="abort"):
    """The client no longer wants these requests. Unknown ids are ignored."""

    ids: list[int]


class AskStats(Message, tag="ask_stats"):
    """Answered by `Stats`, or by `Pong` while the model loads."""


class AskMetrics(Message, tag="ask_metrics"):
    """Answered by `Metrics`."""


class Drain(Message, tag="drain"):
    """From the operator: take no new request, end within `seconds` what is live, then stop. Answered by `Pong`."""

    seconds: float


# ---- engine -> web tier -------------------------------------------------------------------------------------


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


ToEngine = Hello | Ping | Generate | Abort | AskStats | AskMetrics | Drain
ToWeb = Welcome | Pong | Stats | Metrics | Refused | Accepted | Failed | Deltas

PING_INTERVAL = 1.0
"""Seconds between two pings of a client."""
CLIENT_SILENCE_LIMIT = 5.0
"""Seconds without any message after which the engine gives a client up."""

encode = msgspec.msgpack.Encoder().encode
decode_to_engine = msgspec.msgpack.Decoder(ToEngine).decode
decode_to_web = msgspec.msgpack.Decoder(ToWeb).decode


_EXTENDED = (
    "tools",
    "structure",
    "min_tokens",
    "bad_words",
    "allowed_token_ids",
    "prompt_logprobs",
    "chat_template_kwargs",
    "truncate_prompt_tokens",
    "return_prompt_token_ids",
    "tokens_only",
    "embed",
    "priority",
    "adapter",
)


def _given(part: msgspec.Struct, name: str) -> bool:
    value = getattr(part, name, None)
    return value is not None and bool(value or name == "prompt_logprobs")


def version_conflict(hello: Hello) -> str | None:
    """The sentence for a peer of another major version, or None where the two can talk."""
    if hello.major == MAJOR:
        return None
    older = "web tier" if hello.major < MAJOR else "engine"
    return (
        f"the web tier speaks wire protocol {hello.major}.{hello.minor}, the engine {MAJOR}.{MINOR}: "
        f"upgrade and restart the {older}"
    )
