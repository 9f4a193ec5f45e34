"""Structures whose masks take long: those that begin so are refused, those that become so end, others are neither."""

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xgrammar
from vllm.sampling_params import StructuredOutputsParams
from vllm.v1.structured_output import StructuredOutputManager, backend_xgrammar
from vllm.v1.structured_output.backend_types import StructuredOutputOptions
from vllm.v1.structured_output.backend_xgrammar import XgrammarBackend

from engine_proc.adapter.grammars import mask_limits, mask_trial
from engine_proc.adapter.grammars.mask_limits import BoundedGrammar, Budget, MaskThread
from engine_proc.adapter.grammars.mask_trial import MaskTrial
from engine_proc.adapter.outputs import TOO_SLOW
from schemas.errors import ApiError

WORDS = 10_000
QUICK = 0.02
"""CPU seconds, in place of half a second, in which costly structures are told from others: the test's vocabulary is a
tenth of Llama 3's, and its costly structures as small as they may be.
"""


def chain(rules: int) -> str:
    """A grammar of rules each of which names the next once or twice."""
    return "\n".join(f"r{n} ::= r{n + 1} | r{n + 1} r{n + 1}" for n in range(rules)) + f"\nr{rules} ::= [a-z]\n"


HIDDEN = 'root ::= "a" other | "b"\nother ::= "known to the client alone " ("x" r0 | "y")\n' + chain(5)
REGEX = "[a-z]"
for _ in range(5):
    REGEX = f"({REGEX}({REGEX})?)"
COSTLY = [
    ("grammar", "root ::= r0\n" + chain(5)),
    ("grammar", HIDDEN),
    ("regex", REGEX),
    ("json", {"type": "object", "properties": {"a": {"type": "string", "pattern": f"^{REGEX}$"}}}),
]
USUAL = [
    ("grammar", 'root ::= e\ne ::= e "+" t | t\nt ::= t "*" f | f\nf ::= [0-9]+ | "(" e ")" | [a-z]+'),
    ("grammar", 'root ::= "Dear " [A-Z] [a-z]+ ",\\n" line+ "Yours"\nline ::= [^\\n]+ "\\n"'),
    ("grammar", 'start: word (" " word)*\nword: /[a-z]+/'),
    ("grammar", "root ::= root root | [a-z]"),
    ("regex", r"[\w.]+@[\w.]+\.com"),
    ("regex", "("),
    ("json", {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]+-[0-9]{4}$"}}}),
]


@pytest.fixture(scope="module")
def vocabulary() -> xgrammar.TokenizerInfo:
    """Words of up to 11 letters."""
    letters = [chr(code) for code in range(32, 127)]
    digits = str.maketrans("0123456789", "ghijklmnop")
    words = [f"{number * 2654435761 % 26**9:x}".translate(digits) for number in range(WORDS)]
    return xgrammar.TokenizerInfo([*letters, *words, "</s>"], stop_token_ids=[len(letters) + WORDS])


@pytest.fixture
def trial(vocabulary: xgrammar.TokenizerInfo, monkeypatch: pytest.MonkeyPatch) -> MaskTrial:
    monkeypatch.setattr(mask_trial, "MASK_SECONDS", QUICK)
    trial = MaskTrial(None, vocabulary.vocab_size)
    trial._vocabulary = vocabulary
    return trial


@pytest.mark.parametrize(("kind", "text"), COSTLY, ids=["chain", "hidden", "regex", "pattern"])
def test_a_structure_that_is_slow_from_its_first_tokens_is_refused(trial: MaskTrial, kind: str, text: Any) -> None:
    with pytest.raises(ApiError) as refusal:
        trial.check(StructuredOutputsParams(**{kind: text}), [], "structured_outputs")
    assert (refusal.value.status, refusal.value.param) == (400, "structured_outputs")


@pytest.mark.parametrize(("kind", "text"), USUAL, ids=range(len(USUAL)))
def test_a_usual_structure_is_not(trial: MaskTrial, kind: str, text: Any) -> None:
    trial.check(StructuredOutputsParams(**{kind: text}), [], "structured_outputs")


def test_a_verdict_is_kept(trial: MaskTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = StructuredOutputsParams(grammar=USUAL[0][1])
    trial.check(usual, [], "structured_outputs")
    monkeypatch.setattr(trial, "_are_quick", lambda *named: False)
    trial.check(usual, [], "structured_outputs")
    with pytest.raises(ApiError):
        trial.check(StructuredOutputsParams(grammar=USUAL[1][1]), [], "structured_outputs")


def test_what_has_no_pattern_is_not_tried(trial: MaskTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_are_quick", lambda *named: False)
    plain = {"type": "object", "properties": {"a": {"type": "string"}}}
    trial.check(StructuredOutputsParams(json=plain), [], "response_format")
    trial.check(StructuredOutputsParams(structural_tag="{}"), [{"parameters": plain}], "tools")
    with pytest.raises(ApiError):
        trial.check(StructuredOutputsParams(structural_tag="{}"), [{"parameters": {"pattern": "a"}}], "tools")


class Matcher:
    """Takes `seconds` of CPU time for each mask, as xgrammar does: without Python's lock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.masks = 0

    def fill_next_token_bitmask(self, mask: torch.Tensor, index: int) -> None:
        until = time.thread_time() + self.seconds
        while time.thread_time() < until:
            time.sleep(0)
        mask.fill_(5)
        self.masks += 1

    def accept_token(self, token: int) -> bool:
        return True

    def is_terminated(self) -> bool:
        return False


def grammar(seconds: float, budget: Budget) -> BoundedGrammar:
    made = BoundedGrammar(matcher=Matcher(seconds), vocab_size=64, ctx=None)
    made.budget = budget
    return made


def test_a_mask_that_takes_too_long_is_not_waited_for() -> None:
    slow, mask = grammar(3.0, Budget()), torch.zeros(2, 2, dtype=torch.int32)
    began = time.process_time()
    slow.fill_bitmask(mask, 1)
    assert time.process_time() - began < 2.5
    assert mask.tolist() == [[0, 0], [-1, -1]]
    assert slow.accept_tokens("a", [1]) is False
    assert slow.validate_tokens([1]) == []
    slow.fill_bitmask(mask, 0)
    assert mask.tolist() == [[-1, -1], [-1, -1]]
    usual = grammar(0.0, Budget())
    usual.fill_bitmask(mask, 1)  # in a thread of its own: the other one still computes
    assert mask.tolist() == [[-1, -1], [5, 5]]
    assert usual.accept_tokens("b", [1]) is True


def test_all_masks_of_a_structure_have_one_limit() -> None:
    budget, mask = Budget(), torch.zeros(1, 2, dtype=torch.int32)
    budget.spend(mask_limits.IN_ALL - 0.1)
    slow = [grammar(0.2, budget), grammar(0.2, budget)]
    for each in slow:
        each.fill_bitmask(mask, 0)
    assert [each.too_slow for each in slow] == [True, True]
    quick = Budget()
    for _ in range(10_000):
        quick.spend(mask_limits.FREE)
    assert quick.at_once == mask_limits.AT_ONCE


def test_an_error_of_a_mask_is_raised_where_it_was_wanted() -> None:
    class Broken(Matcher):
        def fill_next_token_bitmask(self, mask: torch.Tensor, index: int) -> None:
            raise RuntimeError("no mask")

    with pytest.raises(RuntimeError, match="no mask"):
        MaskThread(64).fill(Broken(0), torch.zeros(2, dtype=torch.int32), 1.0)


def test_vllm_makes_bounded_grammars_and_tells_why_one_has_ended(
    vocabulary: xgrammar.TokenizerInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = (
        (backend_xgrammar, "XgrammarGrammar"),
        (XgrammarBackend, "compile_grammar"),
        (StructuredOutputManager, "accept_tokens"),
    )
    for owner, name in replaced:  # so that they are set back after the test
        monkeypatch.setattr(owner, name, getattr(owner, name))
    mask_limits.install()
    backend = XgrammarBackend.__new__(XgrammarBackend)
    backend.compiler = xgrammar.GrammarCompiler(vocabulary, max_threads=1)
    backend.vocab_size, backend.num_speculative_tokens, backend.disable_any_whitespace = vocabulary.vocab_size, 0, True
    text = 'root ::= "a" "b"'
    made, same = (backend.compile_grammar(StructuredOutputOptions.GRAMMAR, text) for _ in range(2))
    other = backend.compile_grammar(StructuredOutputOptions.GRAMMAR, 'root ::= "b"')
    assert made.budget is same.budget and made.budget is not other.budget
    mask = torch.zeros(1, (vocabulary.vocab_size + 31) // 32, dtype=torch.int32)
    made.fill_bitmask(mask, 0)
    (allowed,) = np.flatnonzero(np.unpackbits(mask.numpy().view(np.uint8), bitorder="little"))
    assert vocabulary.decoded_vocab[int(allowed)] == b"a"

    manager = StructuredOutputManager.__new__(StructuredOutputManager)
    manager.enable_in_reasoning, manager.reasoner_cls = True, None
    wanted = SimpleNamespace(grammar=made, reasoning_ended=True)
    request = SimpleNamespace(
        use_structured_output=True, structured_output_request=wanted, request_id="a", stop_reason=None, all_token_ids=[]
    )
    assert manager.accept_tokens(request, [int(allowed)]) is True
    assert request.stop_reason is None
    made.too_slow = True
    assert manager.accept_tokens(request, [int(allowed)]) is False
    assert request.stop_reason == TOO_SLOW


def test_vllm_has_what_is_replaced() -> None:
    replaced = {"fill_bitmask", "accept_tokens", "validate_tokens", "rollback"}
    assert replaced <= vars(BoundedGrammar.__base__).keys()
    assert mask_trial.MASK_SECONDS <= mask_limits.AT_ONCE
