"""For tests that compare numbers: Transformers beside the float32 Hearth, and the wire's own replies."""

import itertools
import time
from pathlib import Path
from typing import Any

import zmq

from schemas import wire
from tests.harness import Hearth

WAIT_SECONDS = 60.0


class Transformers:
    """The demo model in float32, as Transformers runs it."""

    ends = (2553, 2558)
    """<|end_of_text|> and <|eot_id|>."""

    def __init__(self, model: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(1)  # the engines' threads want the cores
        self._torch = torch
        self.tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self.model: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text)
        return ids

    def beam_search(
        self,
        prompt: list[int],
        *,
        width: int,
        max_tokens: int,
        length_penalty: float = 1.0,
        ends: tuple[int, ...] = ends,
        n: int = 1,
        **more: Any,
    ) -> list[list[int]]:
        """The `n` best sequences of `generate`, best first. `more` goes to `generate`."""
        with self._torch.inference_mode():
            found = self.model.generate(
                self._torch.tensor([prompt]),
                attention_mask=self._torch.ones(1, len(prompt), dtype=self._torch.long),
                num_beams=width,
                num_return_sequences=n,
                do_sample=False,
                temperature=None,
                top_p=None,
                length_penalty=length_penalty,
                max_new_tokens=max_tokens,
                early_stopping=False,
                eos_token_id=list(ends) or None,
                pad_token_id=2554,
                **more,
            )
        return [self._without_padding(sequence, ends) for sequence in found[:, len(prompt) :].tolist()]

    def logprobs(self, token_ids: list[int]) -> Any:
        """Log softmax after each prefix: a float32 array [tokens, vocabulary]."""
        with self._torch.inference_mode():
            return self.model(self._torch.tensor([token_ids])).logits[0].log_softmax(-1).numpy()

    @staticmethod
    def _without_padding(sequence: list[int], ends: tuple[int, ...]) -> list[int]:
        first = next((index for index, token_id in enumerate(sequence) if token_id in ends), len(sequence))
        return [token_id for token_id in sequence[: first + 1] if token_id != 2554]


class Wire:
    """A web worker's place at the engine: its replies tell token ids, which no HTTP reply does."""

    def __init__(self, hearth: Hearth) -> None:
        self._socket: Any = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(f"ipc://{hearth.run_dir}/engine.sock")
        self._ids = itertools.count(1)

    def ask(self, prompt: list[int], *, n: int = 1, best_of: int = 0, **sampling: Any) -> list[wire.Delta]:
        """Generate, and wait for the end: one whole delta a choice."""
        request = wire.Generate(
            id=next(self._ids),
            name="cmpl-test",
            prompts=[prompt],
            n=n,
            best_of=best_of,
            sampling=wire.Sampling(**sampling),
        )
        self._socket.send(wire.encode(request))
        deadline = time.monotonic() + WAIT_SECONDS
        deltas: list[wire.Delta] = []
        while len(deltas) < n:
            message = self._receive(deadline)
            assert not isinstance(message, wire.Failed), message
            deltas += message.batch if isinstance(message, wire.Deltas) else []
        return sorted(deltas, key=lambda delta: delta.index)

    def _receive(self, deadline: float) -> Any:
        while not self._socket.poll(1000) and time.monotonic() < deadline:
            self._socket.send(wire.encode(wire.Ping()))  # a client that falls silent has its requests aborted
        assert time.monotonic() < deadline, f"no answer within {WAIT_SECONDS:g} s"
        return wire.decode_to_web(self._socket.recv())

    def beam_search(self, prompt: list[int], *, width: int, **fields: Any) -> list[list[int]]:
        return [d.token_ids for d in self.ask(prompt, best_of=width, use_beam_search=True, **fields)]

    def close(self) -> None:
        self._socket.close()
