"""A request for generation: what a client asks for, and the message that carries it to the engine."""

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
"""Parts of a request that engines without the feature `EXTENDED` would ignore."""


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


class GenerateParams(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a client asks for in one HTTP request, before anything of the server's is added.

    Exactly one of `messages` (chat, rendered with the model's template) and `prompts` (each text or token ids)
    is given. Choice `p * n + i` is the i-th choice of prompt p.
    """

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
    sampling: Sampling = msgspec.field(default_factory=Sampling)
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

    def message(self, **envelope: Any) -> "Generate":
        """Make the message that carries these parameters. `envelope`: the fields that `Generate` adds."""
        return Generate(**{name: getattr(self, name) for name in self.__struct_fields__}, **envelope)

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


class Generate(GenerateParams, Message, tag="generate"):
    """One HTTP request. Answered by `Accepted` and then `Deltas`, or by one `Failed`."""

    id: int
    """Unique within the sending client, which alone sees it."""
    name: str
    """The public request id (`chatcmpl-...`), for the logs."""
    tenant: str = ""
    """Whose request this is, for limits that hold over all web workers: a digest of the API key, or nothing."""
    sent: dict[int, list[int]] = {}
    """Token ids that the client has of choices begun by an engine that was lost: each choice goes on after them."""
    ended: list[int] = []
    """Choices that the client has whole."""
    resumed: bool = False
    """An engine, perhaps this one, has let the request in before and then lost it: it is not turned away."""
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


def _given(part: msgspec.Struct, name: str) -> bool:
    value = getattr(part, name, None)
    return value is not None and bool(value or name == "prompt_logprobs")
