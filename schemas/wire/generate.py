"""A request for generation: its parameters, and the message that carries them to the engine."""

from typing import Annotated, Any

import msgspec

from schemas.wire.protocol import Message

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
)
"""Fields that an engine without the feature `EXTENDED` would ignore."""


class Structure(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What the text of an answer must match: exactly one of `json`, `json_object`, `regex`, `choice`, `grammar`."""

    json: dict[str, Any] | None = None
    """A JSON Schema."""
    json_object: bool = False
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    """In EBNF or in Lark's notation."""
    field: str = ""
    """The request's field that it comes from, for error messages."""


class Sampling(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How each choice is generated. None means the loaded model's default, from its generation config."""

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
    """None: the tokenizer's default."""
    logprobs: int | None = None
    """Alternatives per token; 0: only the chosen token's log probability; None: no log probabilities."""
    logit_bias: dict[str, float] = {}
    """Bias by token; the key is the request's: a token id in digits, or text."""
    white_list_token_ids: list[int] = []
    white_list_token: list[str] = []
    stop_on_repetition: bool = False
    use_beam_search: bool = False
    """Beam search of width `Generate.candidates`, scored by log probability / length**`length_penalty`."""
    length_penalty: float = 1.0
    min_tokens: int = 0
    bad_words: list[str] = []
    allowed_token_ids: list[int] = []
    """vLLM's name for `white_list_token_ids`; the tokens of both are allowed."""
    prompt_logprobs: int | None = None
    """Alternatives per token of the prompt, sent in `Delta.prompt_logprobs`; None: none are sent."""
    structure: Structure | None = None


class GenerateParams(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The parameters of one HTTP request, without the fields that the web tier adds.

    Exactly one of `messages` (a chat, rendered with the model's template) and `prompts` (each a text or token ids)
    is set. Choice `p * n + i` is the i-th choice of prompt p.
    """

    messages: list[dict[str, Any]] | None = None
    prompts: list[str | list[int]] | None = None
    n: Annotated[int, msgspec.Meta(ge=1)] = 1
    best_of: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Candidates per prompt, of which the `n` best are sent; 0, or fewer than `n`, means `n`."""
    echo: bool = False
    """Begin each choice with the prompt, with `logprobs` its log probabilities included.

    In a chat, begin with the last message where its role is `assistant`.
    """
    suffix: str = ""
    """Text that follows the answer: a model that can fill the middle does; otherwise the suffix is appended."""
    stream: bool = False
    """False: the engine sends each choice in one delta when the choice is complete."""
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    user: str = ""
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    cache_salt: str = ""
    """Only requests with the same salt share prompts in vLLM's prefix cache."""
    tools: list[dict[str, Any]] = []
    """In OpenAI's format: `{"type": "function", "function": {"name", "description", "parameters", "strict"}}`."""
    tool_choice: str | dict[str, Any] = "auto"
    """`none`, `auto`, `required`, or OpenAI's object that names a function."""
    parallel_tool_calls: bool = True
    include_reasoning: bool = True
    chat_template_kwargs: dict[str, Any] = {}
    truncate_prompt_tokens: int | None = None
    """Keep only the last `truncate_prompt_tokens` tokens of the prompt; -1: as many as the context has room for."""
    priority: int = 0
    """vLLM schedules lower values earlier, where its scheduling policy is `priority`."""
    return_prompt_token_ids: bool = False
    add_special_tokens: bool | None = None
    """Whether the tokenizer adds tokens such as BOS; None: for `prompts`, but not for `messages`."""
    tokens_only: str = ""
    """Generate nothing, only tokenize the one prompt; it is finished with one delta. Empty: generate.

    `counted`: `Accepted` has the whole result. `named`: the delta's `logprobs` hold the text of each token. `text`: the
    delta's text is the prompt's.
    """
    embed: bool = False
    """Compute one vector for each prompt, each sent in one delta, instead of text."""
    dimensions: int | None = None
    """Dimensions of the vectors; None: the model's own."""

    def message(self, **envelope: Any) -> "Generate":
        """Return the message that carries these parameters. `envelope`: the fields that `Generate` adds."""
        return Generate(**{name: getattr(self, name) for name in self.__struct_fields__}, **envelope)

    @property
    def extended(self) -> str | None:
        """The name of a field in use that an engine without the feature `EXTENDED` would ignore, or None."""
        return next((name for name in _EXTENDED if _given(self, name) or _given(self.sampling, name)), None)

    @property
    def structured(self) -> bool:
        """True where an answer may have to match a structure: the request's own, or that of a tool's call."""
        return self.sampling.structure is not None or bool(self.tools and self.tool_choice != "none")

    @property
    def rewritten(self) -> bool:
        """True where a resumed answer may be generated again from its beginning, and must then be the same.

        vLLM cannot resume inside a structure, nor take over the penalties of many different tokens.
        """
        return self.structured or bool(self.sampling.presence_penalty or self.sampling.frequency_penalty)

    @property
    def choices(self) -> int:
        """Number of choices to send, over all prompts."""
        return self.n * len(self.prompts or (None,))

    @property
    def candidates(self) -> int:
        """Number of sequences to generate for each prompt."""
        return max(self.n, self.best_of)


class Generate(GenerateParams, Message, tag="generate"):
    """One HTTP request. Answered by `Accepted` and then `Deltas`, or at any point by a `Failed`, which is the last."""

    id: int
    """Unique within the sending web worker. Other web workers may use the same id."""
    name: str
    """The id of the reply (`chatcmpl-...`), for the logs."""
    tenant: str = ""
    """Identifies the owner of the API key, for limits over all web workers; empty: no limit per key."""
    sent: dict[int, list[int]] = {}
    """By choice: the token ids that a lost engine has already sent. The choice resumes after them."""
    ended: list[int] = []
    """Indices of the choices that the client has received completely."""
    resumed: bool = False
    """True where an engine accepted the request before and lost it: it is accepted even when the queue is full."""
    losses: int = 0
    """How many engines have died while they worked on the request. Above 0 it may be what killed them.

    An engine with the feature `QUARANTINE` tests it (docs/resuming.md): it sends `Testing` before it begins the
    request, and `Cleared` once the request has generated enough tokens.
    """
    isolated: bool = False
    """True where an engine died while it tested the request beside others: the next tests it with nothing beside it."""
    age: float = 0.0
    """Seconds since the request was first sent. Of the requests with `losses`, the youngest are tested first."""
    adapter: str = ""
    """The LoRA adapter, one of `Welcome.adapters`; empty: the model itself."""
    request_id: str = ""
    """The client's own id for the request (`X-Request-ID`), for the logs."""
    trace: str = ""
    """W3C's `traceparent` of the web tier's span, the parent of the engine's spans; empty: not traced."""

    @property
    def log_name(self) -> str:
        """The request's name in the engine's logs."""
        return f"{self.name} ({self.request_id})" if self.request_id else self.name


def _given(part: msgspec.Struct, name: str) -> bool:
    value = getattr(part, name, None)
    return value is not None and bool(value or name == "prompt_logprobs")
