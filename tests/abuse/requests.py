"""Abusive requests that have no one limit, or whose work only begins within it."""

import json
from functools import partial

from tests.abuse.abuse import (
    CHAT,
    COMPLETIONS,
    DETOKENIZE,
    HELLO,
    MB,
    PLAIN,
    RESPONSES,
    TOKENIZE,
    Abuse,
    ambiguous,
    as_json,
    called,
    chat,
    completion,
    deep,
    long_answers,
    many,
    nested,
    raw,
    structured,
    tool,
)
from tests.abuse.jobs import JOBS
from tests.abuse.limits import LIMITS
from tests.abuse.messages import MESSAGES

ANSWERS = [
    chat(name, partial(long_answers, **fields))
    for name, fields in (
        ("tools: a long answer", {"n": 1, "stream": True}),
        ("tools: 8 long answers", {"n": 8}),
    )
]
"""Answers in which vLLM's parser looks for calls."""
BODIES = [
    raw("messages: ones, 1 MB", CHAT, lambda: b'{"messages":[' + many(b"1", MB) + b"]}"),
    raw("messages: ones, 15 MB", CHAT, lambda: b'{"messages":[' + many(b"1", 15 * MB) + b"]}"),
    raw("messages: empty objects", CHAT, lambda: b'{"messages":[' + many(b"{}", 15 * MB) + b"]}"),
    raw("messages: empty strings", CHAT, lambda: b'{"messages":[' + many(b'""', 15 * MB) + b"]}"),
    raw("messages: 115,000", CHAT, as_json(lambda: {"messages": [HELLO] * 115_000})),
    Abuse("messages: 10,000", CHAT, as_json(lambda: {"messages": [HELLO] * 10_000, "max_tokens": 1})),
    raw("content: ones", CHAT, lambda: b'{"messages":[{"role":"user","content":[' + many(b"1", 900_000) + b"]}]}"),
    raw("input: ones", RESPONSES, lambda: b'{"input":[' + many(b"1", MB) + b"]}"),
    raw("history: ones", PLAIN, lambda: b'{"prompt":"a","history":[' + many(b"1", MB) + b"]}"),
    raw("tokens: -1", DETOKENIZE, lambda: b'{"tokens":[' + many(b"-1", MB) + b"]}"),
    raw("prompt: NaN", COMPLETIONS, lambda: b'{"prompt":[' + many(b"NaN", MB) + b"]}"),
    raw("prompt: empty lists", COMPLETIONS, lambda: b'{"prompt":[' + many(b"[]", 15 * MB) + b"]}"),
    raw("depth: arrays", CHAT, lambda: b'{"messages":' + b"[" * 7 * MB),
    raw("depth: objects", CHAT, lambda: b'{"a":' * 3 * MB),
    raw("keys: 400,000", CHAT, as_json(lambda: {f"field {number}": 1 for number in range(400_000)})),
    raw("beyond the limit", CHAT, lambda: b'{"messages":"' + b"a" * 17 * MB + b'"}'),
]
TEXTS = [
    chat("content: 15 MB", lambda: {"messages": [{"role": "user", "content": "word " * 3 * MB}]}),
    chat("content: 200 kB", lambda: {"messages": [{"role": "user", "content": "word " * 40_000}]}),
    chat("content: blanks", lambda: {"messages": [{"role": "user", "content": " " * 10 * MB}]}),
    chat("content: one letter", lambda: {"messages": [{"role": "user", "content": "a" * 10 * MB}]}),
    chat("content: emoji", lambda: {"messages": [{"role": "user", "content": "🙂" * MB}]}),
    completion("prompt: 15 MB", lambda: {"prompt": "word " * 3 * MB}),
    completion("prompts: 2,048 short", lambda: {"prompt": ["Hello"] * 2048, "max_tokens": 1}),
    completion("prompts: 2,048 long", lambda: {"prompt": ["word " * 1400] * 2048, "max_tokens": 1}),
    completion("prompt: token ids", lambda: {"prompt": [5] * 400_000}),
    completion("suffix: 10 MB", lambda: {"suffix": "a" * 10 * MB}),
    completion("echo: 1,900 tokens", lambda: {"prompt": [5] * 1900, "echo": True, "logprobs": 20, "max_tokens": 1}),
    completion(
        "echo: streamed",
        lambda: {"prompt": [5] * 1900, "echo": True, "logprobs": 20, "max_tokens": 1, "stream": True},
    ),
    completion("echo: 8 prompts", lambda: {"prompt": [[5] * 1900] * 8, "echo": True, "logprobs": 20, "max_tokens": 0}),
    Abuse("tokenize: 15 MB", TOKENIZE, as_json(lambda: {"prompt": "word " * 3 * MB})),
    Abuse("tokenize: 1 MB", TOKENIZE, as_json(lambda: {"prompt": "word " * 200_000})),
    Abuse("detokenize: 400,000", DETOKENIZE, as_json(lambda: {"tokens": [5] * 400_000})),
    Abuse("instructions: 15 MB", RESPONSES, as_json(lambda: {"input": "a", "instructions": "word " * 3 * MB})),
    Abuse(
        "instructions: Chinese",
        RESPONSES,
        lambda: b'{"input":"a","instructions":"%s"}' % ("字" * 5 * MB).encode(),
    ),
    chat("user: 5 MB", lambda: {"user": "u" * 5 * MB}),
    chat("model: 5 MB", lambda: {"model": "m" * 5 * MB}),
    chat("force_prompt: 5 MB", lambda: {"force_prompt": "a " * 5 * MB}),
]
TOKENS = [
    chat("white_list_token: 1 MB", lambda: {"white_list_token": ["word " * 200] * 1000}),
    chat("white_list_token: 64 kB", lambda: {"white_list_token": ["word " * 12] * 1000, "n": 8}),
    chat("white_list_token_ids: 1,024", lambda: {"white_list_token_ids": list(range(1024)), "n": 8}),
    chat("logit_bias: 1 MB", lambda: {"logit_bias": {f"{number} {'a' * 900}": 1 for number in range(1000)}}),
    chat(
        "logit_bias: 64 kB", lambda: {"logit_bias": {f"{number} {'a b c ' * 9}": 1 for number in range(1000)}, "n": 8}
    ),
    chat("logit_bias: 90,000", lambda: {"logit_bias": {str(number): 1 for number in range(90_000)}}),
    chat("bad_words: 256 kB", lambda: {"bad_words": ["word " * 200] * 256}),
    chat("bad_words: 256", lambda: {"bad_words": [f"word{number}" for number in range(256)], "n": 8}),
    chat("stop: 64 of 1,000", lambda: {"stop": [f"{number}" + "a" * 990 for number in range(64)], "n": 32}),
    chat("stop: one of 15 MB", lambda: {"stop": "a" * 15 * MB}),
    chat("stop_token_ids: 1,024", lambda: {"stop_token_ids": list(range(1024)), "min_tokens": 2}),
    chat("n: 128", lambda: {"n": 128, "max_tokens": 16}),
    chat("n: 10,000", lambda: {"n": 10_000}),
    completion("best_of: 128", lambda: {"n": 1, "best_of": 128}),
    chat("top_logprobs: 20, n: 128", lambda: {"n": 128, "logprobs": True, "top_logprobs": 20}),
    chat(  # with no other `top_p`, here and in the innocents: to sort the vocabulary takes longer than all the rest
        "top_logprobs: 20, n: 64, to the end",
        lambda: {"n": 64, "logprobs": True, "top_logprobs": 20, "top_p": 1, "max_tokens": 300, "ignore_eos": True},
    ),
    chat("top_p: 0.5, n: 64", lambda: {"top_p": 0.5, "n": 64, "max_tokens": 16}),
    chat("penalties", lambda: {"presence_penalty": 2, "frequency_penalty": 2, "max_tokens": 200, "ignore_eos": True}),
]
BEAMS = [
    completion("beam width 128", lambda: {"use_beam_search": True, "best_of": 128, "stop": ["zzz", "yyy"]}),
    completion("beam width 16, stops", lambda: {"use_beam_search": True, "best_of": 16, "stop": ["zzz"] * 64}),
    completion(
        "beam width 16, penalties",
        lambda: {"use_beam_search": True, "best_of": 16, "presence_penalty": 1, "logit_bias": {"5": 3}},
    ),
    completion("beam, 8 prompts", lambda: {"use_beam_search": True, "n": 8, "prompt": ["Hello"] * 8}),
]
STARS = "root ::= a a a a a a a a\na ::= b b b b\nb ::= [a-z]*"
HIDDEN = 'root ::= "I know " ("x" r0 | "y")\n' + ambiguous(8).partition("\n")[2]
REPEATED = "root ::= a{1,100}\na ::= b{1,100}\nb ::= [^a]"
STRUCTURES = [
    chat("choice: 1 MB", lambda: structured(choice=[f"{number}" + "a" * 990 for number in range(1000)])),
    chat("choice: 128 kB", lambda: structured(choice=[f"{number}" + "a" * 120 for number in range(1000)])),
    chat("regex: nested stars", lambda: structured(regex="(a*)*" * 200 + "b")),
    chat("regex: counted", lambda: structured(regex="(a{1,1000}){1,1000}")),
    chat("regex: 100 kB", lambda: structured(regex="a?" * 50_000)),
    chat("regex: broken", lambda: structured(regex="(" * 1000)),
    chat("grammar: recursive", lambda: structured(grammar="root ::= root root | 'a'")),
    chat("grammar: rules that repeat rules", lambda: structured(grammar=REPEATED)),
    chat("grammar: each rule names the next twice", lambda: structured(grammar=ambiguous(8))),
    chat("grammar: the same, behind a text", lambda: structured(grammar=HIDDEN)),
    chat("grammar: slower with each token", lambda: {**structured(grammar=STARS), "max_tokens": 60, "n": 2}),
    chat("grammar: 100 kB", lambda: structured(grammar="root ::= " + " | ".join(['"a"'] * 20_000))),
    chat("json: depth 60", lambda: structured(json=nested(60))),
    raw(
        "json: depth 900",
        CHAT,
        lambda: deep(b'"response_format":{"type":"json_schema","json_schema":{"schema":', 900, b"}}"),
    ),
    chat("json: 3,000 fields", lambda: structured(json={"properties": {f"f{n}": {} for n in range(3000)}})),
    chat("json: $ref to itself", lambda: structured(json={"$ref": "#"})),
    chat("tools: 128", lambda: {"tools": [tool(properties={"a": {"type": "string"}}) for _ in range(128)]}),
    chat("tools: 200 kB", lambda: {"tools": [tool(description="d" * 200_000)]}),
    chat("tools: required, large", lambda: {"tools": [tool(**nested(60))], "tool_choice": "required", "n": 8}),
    chat("arguments: 5 MB", lambda: {"messages": called(json.dumps({"a": "x" * 5 * MB}))}),
    chat("arguments: depth", lambda: {"messages": called('{"a":' * 5000 + "1" + "}" * 5000)}),
    chat(
        "reasoning: 5 MB",
        lambda: {"messages": [HELLO, {"role": "assistant", "content": "a", "reasoning": "r" * 5 * MB}]},
    ),
    chat("template: 5 MB", lambda: {"chat_template_kwargs": {"a": "x" * 5 * MB}}),
    chat("template: 100 kB", lambda: {"chat_template_kwargs": {"a": "x" * 100_000}}),
]
AT_LIMITS = [abuse for limit in LIMITS for abuse in limit.abuses()]
ALL = [*ANSWERS, *BODIES, *MESSAGES, *JOBS, *TEXTS, *TOKENS, *BEAMS, *STRUCTURES, *AT_LIMITS]
BY_NAME = {abuse.name: abuse for abuse in ALL}
SHORT = [
    BY_NAME[name]
    for name in (
        "messages: ones, 1 MB",
        "content: 15 MB",
        "prompts: 2,048 short",
        "white_list_token: 64 kB",
        "logit_bias: 64 kB",
        "beam width 128",
        "choice: 128 kB",
        "regex: broken",
        "arguments: 5 MB",
        "tokenize: 1 MB",
    )
]
SHORT_VOCABULARY = [
    BY_NAME[name]
    for name in (
        "white_list_token: 64 kB",
        "logit_bias: 64 kB",
        "bad_words: 256",
        "n: 128",
        "beam width 16, penalties",
        "prompt_logprobs: 20, at",
    )
]
