"""Makes docs/compatibility.md: `vllm serve`'s endpoints and fields, and what Hearth has of them.

python -m tests.docs.compatibility

Which fields there are is read from vLLM's and from our own schemas; what is said of them stands here.
"""

import sys
from typing import Any

from vllm.entrypoints.anthropic.protocol import AnthropicCountTokensRequest, AnthropicMessagesRequest
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest

from schemas.requests.anthropic.messages import CountTokensSchema, MessagesSchema
from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.requests.responses import ResponseSchema

SAME, BETTER, DIFFERENT, NOT_YET, NEVER = "same", "better", "different", "not yet", "not planned"

HEAD = """\
# Beside `vllm serve`

Made by `make docs` from vLLM's schemas and ours. "Same" means the same meaning under the same name; "better",
"different" and "not planned" say why. What Hearth does for its operators (restarts, upgrades and crashes without a lost
request) is no field, and stands in the [README](../README.md).
"""

ENDPOINTS: list[tuple[str, str, str]] = [
    ("POST /v1/chat/completions", BETTER, "survives a lost engine; conversations are kept where that is wanted"),
    ("POST /v1/completions", BETTER, "survives a lost engine; `best_of` and beam search are there"),
    ("POST /v1/responses", BETTER, "what is stored is in a database: it outlives restarts, and every worker has it"),
    ("GET /v1/responses/{id}", BETTER, "likewise"),
    ("DELETE /v1/responses/{id}", BETTER, "vLLM has none"),
    ("GET /v1/responses/{id}/input_items", BETTER, "vLLM has none"),
    ("POST /v1/responses/input_tokens", BETTER, "vLLM has none"),
    ("POST /v1/responses/{id}/cancel", BETTER, "whichever worker answers it, and after a restart"),
    ("POST /v1/messages", BETTER, "survives a lost engine; Claude Code shortens a conversation that is too long"),
    ("POST /v1/messages/count_tokens", SAME, "an answer that has begun counts as it would be continued"),
    ("GET /v1/streams/{id}", BETTER, "the rest of a stream whose connection was lost; vLLM has none"),
    ("DELETE /v1/streams/{id}", BETTER, "likewise"),
    ("GET /v1/models", SAME, "adapters too"),
    ("GET /v1/models/{id}", BETTER, "vLLM has none"),
    ("POST /tokenize", SAME, ""),
    ("POST /detokenize", SAME, ""),
    ("GET /health", BETTER, "says how far a load has come; `/ready` is the probe for a load balancer"),
    ("GET /version", DIFFERENT, "Hearth's own version; vLLM's is in `engine.version`"),
    ("POST /v1/conversations", BETTER, "vLLM has none"),
    ("GET /v1/conversations/{id}", BETTER, "vLLM has none"),
    ("POST /v1/conversations/{id}", BETTER, "vLLM has none"),
    ("DELETE /v1/conversations/{id}", BETTER, "vLLM has none"),
    ("GET /v1/conversations/{id}/items", BETTER, "vLLM has none"),
    ("POST /v1/conversations/{id}/items", BETTER, "vLLM has none"),
    ("GET /v1/conversations/{id}/items/{item_id}", BETTER, "vLLM has none"),
    ("DELETE /v1/conversations/{id}/items/{item_id}", BETTER, "vLLM has none"),
    ("POST /v1/files", BETTER, "vLLM has none; a file of 200 MB takes no worker's memory"),
    ("GET /v1/files", BETTER, "vLLM has none"),
    ("GET /v1/files/{id}", BETTER, "vLLM has none"),
    ("DELETE /v1/files/{id}", BETTER, "vLLM has none"),
    ("GET /v1/files/{id}/content", BETTER, "vLLM has none"),
    ("POST /v1/batches", BETTER, "vLLM has none; a batch outlives every process, and makes way for other requests"),
    ("GET /v1/batches", BETTER, "vLLM has none"),
    ("GET /v1/batches/{id}", BETTER, "vLLM has none"),
    ("POST /v1/batches/{id}/cancel", BETTER, "vLLM has none"),
    ("GET /metrics", BETTER, "the web tier's too; it asks for a key where the API does"),
    ("POST /v1/embeddings", SAME, "of an engine with `--runner pooling`"),
    ("GET /ping, POST /ping, /invocations", NEVER, "SageMaker's; `/ready` says whether the engine is ready"),
    ("GET /load", NOT_YET, "`/metrics` and `/status.json` say how many requests run and wait"),
    ("GET /tokenizer_info", NOT_YET, ""),
    ("GET /server_info", NEVER, "`hearth status` has what operators need"),
    ("POST /v1/chat/completions/batch", NOT_YET, "`/v1/batches` and `hearth batch` answer files of requests"),
    ("POST /v1/*/render, /v1/*/derender, /inference/v1/generate", NEVER, "the two tiers speak a wire of their own"),
    (
        "POST /v1/load_lora_adapter, /v1/unload_lora_adapter",
        NOT_YET,
        "adapters come with the start: `--lora-modules`",
    ),
    ("POST /score, /rerank, /v2/rerank, /classify, /pooling, /v2/embed, /generative_scoring", NOT_YET, ""),
    ("POST /cohere/v2/chat", NEVER, "OpenAI's API alone"),
    ("POST /v1/audio/*, /v1/realtime", NEVER, "text models only"),
    (
        "POST /sleep, /pause, /reset_prefix_cache, /update_weights, ...",
        NEVER,
        "the operator has `hearth`",
    ),
]

HTTP: list[tuple[str, str, str]] = [
    ("cross-origin requests (CORS)", DIFFERENT, "vLLM allows every origin; here `HEARTH_CORS_ORIGINS` names them"),
    ("a body without `Content-Type: application/json`", DIFFERENT, "a 415, unless `HEARTH_REQUIRE_JSON_TYPE=0`"),
    ("a body in gzip, deflate or zstd", BETTER, "vLLM takes none; the limit is that of the unpacked body"),
    ("a body in UTF-16 or UTF-32, or with a byte order mark", SAME, ""),
    ("`//v1/models`, `/v1/models/`", BETTER, "what base URLs make of paths is answered, without a redirect"),
    ("a client that closes its sending half", BETTER, "gets its answer; vLLM aborts the request"),
    ("an API key", SAME, "several, each with a name; `/metrics`, `/version` and `/tokenize` need one too"),
    ("`X-Request-ID`", SAME, "always returned"),
    ("`x-api-key`", BETTER, "on every path, as Anthropic's clients send it; vLLM takes bearer keys alone"),
    (
        "`anthropic-version`, `anthropic-beta`",
        SAME,
        "no effect; every error below `/v1/messages` has Anthropic's shape",
    ),
]

NOTES: dict[str, tuple[str, str]] = {
    "model": (SAME, "any name is served, unless `HEARTH_STRICT_MODEL=1`; an adapter's name chooses it"),
    "max_tokens": (DIFFERENT, "more than the context has room for is cut to that, not refused; -1 is the rest of it"),
    "use_beam_search": (BETTER, "Transformers' search: penalties, biases and white lists count in it; it is streamed"),
    "best_of": (BETTER, "vLLM has it no more"),
    "echo": (SAME, ""),
    "suffix": (BETTER, "vLLM refuses it: here a model that knows how fills the middle, else it is put after"),
    "messages": (
        BETTER,
        "of the roles system, developer, user, assistant, tool, and function of old; a control token in a message is "
        "text, unless `HEARTH_CONTROL_TOKENS_IN_TEXT=1`; a lone surrogate is replaced",
    ),
    "add_special_tokens": (BETTER, "a begin of text is not added twice"),
    "top_p": (BETTER, "0 is the likeliest token"),
    "max_completion_tokens": (SAME, "-1 is the rest of the context"),
    "stop": (SAME, "empty texts are left out"),
    "top_logprobs": (SAME, "-1 is 20, with a `warning`"),
    "prompt_logprobs": (SAME, "-1 is 20, with a `warning`"),
    "logprobs": (BETTER, "the bytes of a part of a character are its own, and no alternative hides another"),
    "reasoning_effort": (BETTER, '"default" and "" are the model\'s own'),
    "logit_bias": (BETTER, "tokens may be given as text, too"),
    "bad_words": (BETTER, "a word after a space is found where it has fewer tokens than at the start, too"),
    "truncate_prompt_tokens": (SAME, "the last tokens are kept"),
    "priority": (SAME, ""),
    "response_format": (
        BETTER,
        "JSON without endless whitespace; the schema may stand where llama.cpp has it; older drafts; with `tools`, "
        "calls are possible where vLLM has a grammar for the model's format of calls",
    ),
    "structured_outputs": (SAME, "one backend, xgrammar; no `structural_tag`; the older `guided_*` are taken"),
    "tools": (
        BETTER,
        "a call that the model did not end is no call, whole or streamed; a stream sends each call in one piece, at "
        "the end; tools that run in a server are left out, and OpenAI's older `functions` taken, with a `warning`",
    ),
    "tool_choice": (
        DIFFERENT,
        "`none` leaves the tools out of the prompt; the arguments of a forced call match the schema, `strict` or not; "
        "`allowed_tools`",
    ),
    "chat_template": (NEVER, "a template is a program; the operator may give one by `--chat-template`"),
    "documents": (NOT_YET, ""),
    "stream_options": (SAME, "without `stream` they have no effect"),
    "stream_interval": (SAME, "at most 1024"),
    "user": (BETTER, "goes to the log"),
    "store": (BETTER, "into a database"),
    "previous_response_id": (BETTER, "also after a restart, and from every worker"),
    "background": (BETTER, "outlives web workers and engines; `GET` with `stream` has its events again"),
    "resumable": (BETTER, "Hearth's own: a stream outlives its connection"),
    "include": (SAME, "log probabilities; the rest is returned in any case, or is of tools that run in the server"),
    "input": (BETTER, "may refer to stored items, whose ids stay"),
    "text": (SAME, "`verbosity` goes to the chat template"),
    "truncation": (BETTER, "`auto` leaves out whole messages, the oldest, and no system message"),
    "service_tier": (SAME, "no effect"),
    "max_tool_calls": (SAME, "no effect: no tool runs in the server"),
    "safety_identifier": (BETTER, "goes to the log"),
    "request_id": (
        DIFFERENT,
        "made by the server; a name of one's own goes into the header `X-Request-ID`, and is returned",
    ),
    "prompt_embeds": (NEVER, "tensors from strangers"),
    "mm_processor_kwargs": (NEVER, "text models only"),
    "media_io_kwargs": (NEVER, "text models only"),
    "mm_payload": (NEVER, "text models only"),
    "return_mm_kwargs": (NEVER, "text models only"),
    "kv_transfer_params": (NEVER, "one engine"),
    "ec_transfer_params": (NEVER, "one engine"),
    "repetition_detection": (DIFFERENT, "`enable_repeat_stopper`, with limits that the operator sets"),
    "return_tokens_as_token_ids": (DIFFERENT, "`return_token_ids`"),
    "prompt_cache_key": (DIFFERENT, "each key has a cache of its own where keys are set"),
}


MESSAGE_NOTES: dict[str, tuple[str, str]] = {
    **{name: NOTES[name] for name in ("model", "kv_transfer_params", "ec_transfer_params", "mm_payload")},
    "return_mm_kwargs": NOTES["return_mm_kwargs"],
    "top_p": NOTES["top_p"],
    "messages": (
        BETTER,
        "consecutive turns of one role are one; results of tools in any order; an empty content; an assistant's text "
        "that is last is continued; search results, and documents of plain text, are text; images and other documents "
        "are refused by name",
    ),
    "system": (SAME, "the line that Claude Code writes for Anthropic's accounts is left out"),
    "max_tokens": (BETTER, "more than the context has is the rest of it, not a 400; so is -1"),
    "stop_sequences": (SAME, "empty texts are left out; the one that ended the message is named"),
    "tools": (BETTER, "those that Anthropic's servers run are left out, with a `warning`"),
    "tool_choice": (BETTER, "a word alone is taken; the input of a forced call matches the schema"),
    "thinking": (
        DIFFERENT,
        "`budget_tokens` has no effect; `disabled` and `omitted` leave the reasoning out of the reply; thinking that "
        "comes back without its text is taken",
    ),
    "output_config": (SAME, "`effort` goes to the chat template, `format` is a structure"),
    "metadata": (BETTER, "`user_id` goes to the log"),
    "cache_control": (SAME, "no effect: equal beginnings are always cached"),
    "service_tier": (SAME, "no effect"),
    "vllm_xargs": (NEVER, "for extensions of vLLM"),
    "watermarking": (NEVER, "the engine has none"),
}


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |\n"


def fields(title: str, theirs: Any, ours: Any, notes: dict[str, tuple[str, str]] = NOTES) -> str:
    """A table of all fields of either."""
    vllm, hearth = set(theirs.model_fields), set(ours().fields)
    text = f"\n## {title}\n\n" + row("field", "Hearth", "") + "|---|---|---|\n"
    for name in sorted(vllm | hearth):
        status, why = notes.get(name, (SAME, ""))
        if name not in hearth:
            status, why = (status, why) if status in (DIFFERENT, NEVER) else (NOT_YET, why)
        elif name not in vllm and name not in notes:
            status, why = BETTER, "Hearth's own"
        text += row(f"`{name}`", status, why)
    return text


def document() -> str:
    endpoints = row("endpoint", "Hearth", "") + "|---|---|---|\n"
    endpoints += "".join(row(f"`{name}`", status, why) for name, status, why in ENDPOINTS)
    http = row("what a client sends", "Hearth", "") + "|---|---|---|\n"
    http += "".join(row(*each) for each in HTTP)
    return (
        f"{HEAD}\n## Endpoints\n\n{endpoints}\n## HTTP\n\n{http}"
        + fields("Chat completions", ChatCompletionRequest, ChatCompletionSchema)
        + fields("Completions", CompletionRequest, CompletionSchema)
        + fields("Responses", ResponsesRequest, ResponseSchema)
        + fields("Messages", AnthropicMessagesRequest, MessagesSchema, MESSAGE_NOTES)
        + fields("Counting a message's tokens", AnthropicCountTokensRequest, CountTokensSchema, MESSAGE_NOTES)
    )


if __name__ == "__main__":
    sys.stdout.write(document())
