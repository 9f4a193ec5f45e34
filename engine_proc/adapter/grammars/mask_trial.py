"""Tries what xgrammar takes for a structure's masks before a request with it is begun.

A grammar that can be read in many ways cannot be told from a usual one by a count: a dozen rules, each of which names
the next once or twice, take minutes for one mask. So the structure is compiled in a copy of this process, which the
kernel ends after some seconds of CPU time, and used for some tokens. All its rules begin at once there, so that a
costly one cannot hide behind tokens that only its client knows. What becomes slow later, `mask_limits` ends.
"""

import json
import re
import time
from collections import OrderedDict
from typing import Any

import numpy as np
import xgrammar
from vllm.sampling_params import StructuredOutputsParams
from vllm.v1.structured_output.utils import grammar_is_likely_lark

from engine_proc.adapter.calls.apart import NoCopy, NotDone, apart
from schemas.errors import ApiError

TOKENS = 8
"""Tokens that the structure is used for."""
MASK_SECONDS = 0.5
"""CPU seconds above which a mask is too costly. Usual grammars take some milliseconds."""
VERDICTS = 256
"""Structures whose verdicts are kept: a client repeats its own."""
_RULE = re.compile(r"^(\w+) ::= ", re.MULTILINE)
_ROOT = "hearth_any_rule"
_PATTERN = '"pattern'
"""In a schema that has a regular expression: `pattern` or `patternProperties`."""


class MaskTrial:
    """The trial for the loaded model. Not thread-safe."""

    def __init__(self, tokenizer: Any, vocab_size: int) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._vocabulary: xgrammar.TokenizerInfo | None = None
        """Made with the first trial."""
        self._verdicts: OrderedDict[tuple[str, str], bool] = OrderedDict()
        """Whether a structure's masks are quick, by its kind and text."""

    def check(self, structure: StructuredOutputsParams, tools: Any, field: str) -> None:
        """Raise `ApiError` (400) where the masks of a structure take too long. `field` is its field's.

        `tools` are those whose calls the structure is of. Takes up to some seconds for a new structure that has rules
        or patterns, no time for any other. A structure that xgrammar refuses passes: vLLM's check says why.
        """
        named = _kind(structure, tools)
        if named is None:
            return
        if named not in self._verdicts:
            self._verdicts[named] = self._are_quick(*named)
            if len(self._verdicts) > VERDICTS:
                self._verdicts.popitem(last=False)
        if not self._verdicts[named]:
            message = "it can be read in so many ways that the allowed tokens take too long to compute."
            raise ApiError(400, f"Invalid value for `{field}`: {message}", param=field)

    def _are_quick(self, kind: str, text: str) -> bool:
        if self._vocabulary is None:
            self._vocabulary = xgrammar.TokenizerInfo.from_huggingface(self._tokenizer, vocab_size=self._vocab_size)
        vocabulary = self._vocabulary
        try:
            return apart(lambda: longest_mask(kind, text, vocabulary), float, here=False) <= MASK_SECONDS
        except NoCopy:
            return True
        except NotDone:
            return False


def longest_mask(kind: str, text: str, vocabulary: xgrammar.TokenizerInfo) -> float:
    """Compile a structure, and return the CPU seconds of the slowest of its first masks. 0: xgrammar refuses it."""
    try:
        compiler = xgrammar.GrammarCompiler(vocabulary, max_threads=1, cache_enabled=False)
        compiled = compiler.compile_grammar(_with_all_rules(_grammar(kind, text)))
    except RuntimeError:
        return 0.0
    matcher = xgrammar.GrammarMatcher(compiled)
    mask = xgrammar.allocate_token_bitmask(1, vocabulary.vocab_size)
    choose, slowest = np.random.default_rng(0).choice, 0.0
    for _ in range(TOKENS):
        began = time.thread_time()
        matcher.fill_next_token_bitmask(mask)
        slowest = max(slowest, time.thread_time() - began)
        allowed = np.flatnonzero(np.unpackbits(mask.numpy().view(np.uint8), bitorder="little"))
        if slowest > MASK_SECONDS or not len(allowed):
            break
        matcher.accept_token(int(choose(allowed)))
        if matcher.is_terminated():
            break
    return slowest


def _kind(structure: StructuredOutputsParams, tools: Any) -> tuple[str, str] | None:
    """Return the kind and the text of a structure. None: nothing in it can be read in many ways."""
    if structure.regex is not None:
        return "regex", structure.regex
    if structure.grammar is not None:
        return "grammar", structure.grammar
    if structure.json is not None:
        text = structure.json if isinstance(structure.json, str) else json.dumps(structure.json)
        return ("json", text) if _PATTERN in text else None
    if structure.structural_tag is not None:
        text = structure.structural_tag
        return ("structural_tag", text) if _PATTERN in text or _PATTERN in json.dumps(tools) else None
    return None


def _grammar(kind: str, text: str) -> xgrammar.Grammar:
    match kind:
        case "regex":
            return xgrammar.Grammar.from_regex(text)
        case "json":
            return xgrammar.Grammar.from_json_schema(text, any_whitespace=False)
        case "structural_tag":
            return xgrammar.Grammar.from_structural_tag(text)
    return xgrammar.Grammar.from_lark(text) if grammar_is_likely_lark(text) else xgrammar.Grammar.from_ebnf(text)


def _with_all_rules(grammar: xgrammar.Grammar) -> xgrammar.Grammar:
    """Return a grammar whose texts are those of any rule of `grammar`. Where it cannot be written, `grammar` itself."""
    text = str(grammar)
    rules = " | ".join(f"({name})" for name in _RULE.findall(text))
    try:
        return xgrammar.Grammar.from_ebnf(f"{text}\n{_ROOT} ::= {rules}\n", root_rule_name=_ROOT)
    except RuntimeError:
        return grammar
