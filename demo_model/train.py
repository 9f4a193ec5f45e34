"""Train the demo model, tokenizer and weights, from the corpus: `python demo_model/train.py`, on two CPU cores.

The training has parts: the whole corpus, then tool calls, then twice what the model has forgotten meanwhile. `python
demo_model/train.py tools` begins with the second part, from the stored weights. The same seed and library versions
produce the same model.
"""

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import torch
from documents import OWN_NAME, Composer, Document
from evaluate import report
from make_tokenizer import MAX_LENGTH, MODEL_DIR, make_tokenizer
from torch.nn import functional
from tqdm import tqdm
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SEED = 20240707
BATCH_TOKENS = 4096
MUON_RATE = 1e-2
ADAM_RATE = 4e-3
WARMUP = 30
DOCUMENTS_AT_ONCE = 2048  # sorted by length, so that a batch needs little padding
IGNORED = -100

Example = tuple[list[int], list[int]]  # token ids, labels


@dataclass(frozen=True)
class Part:
    """One part of the training."""

    steps: int
    rate: float
    """Factor of the learning rates."""
    decay: float
    """Share (0 to 1) of the steps, at the end, in which the learning rates fall to zero."""
    documents: Callable[[], Iterator[Document]]


PARTS = {
    "all": Part(800, 1.0, 0.7, lambda: Composer(SEED).documents()),
    "tools": Part(700, 0.4, 0.9, lambda: Composer(SEED + 1).tool_lessons(0.45)),
    "refresh": Part(350, 0.2, 1.0, lambda: Composer(SEED + 2).tool_lessons(0.3)),
    "polish": Part(400, 0.2, 1.0, lambda: Composer(SEED + 3).tool_lessons(0.15, OWN_NAME)),
}


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return an untrained model."""
    torch.manual_seed(SEED)
    eot, end = tokenizer.convert_tokens_to_ids(["<|eot_id|>", "<|end_of_text|>"])
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=480,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=MAX_LENGTH,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[end, eot],
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[end, eot],
        pad_token_id=tokenizer.pad_token_id,
        do_sample=True,
        temperature=0.6,
        top_p=0.9,
    )
    return model


class Encoder:
    """Converts documents to training examples. In a conversation only the assistant's tokens have labels."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.answer_start = tokenizer("<|start_header_id|>assistant<|end_header_id|>\n\n", add_special_tokens=False)[
            "input_ids"
        ]
        self.end_of_turn = tokenizer.convert_tokens_to_ids("<|eot_id|>")

    def _text(self, document: Document) -> str:
        if document.text:
            return f"<|begin_of_text|>{document.text}<|end_of_text|>"
        text: str = self.tokenizer.apply_chat_template(document.messages, tools=document.tools, tokenize=False)
        return text

    def _labels(self, ids: list[int], chat: bool) -> list[int]:
        """Return a label per token: the token's id, or `IGNORED`."""
        if not chat:
            return [IGNORED, *ids[1:]]
        labels = [IGNORED] * len(ids)
        width, answering = len(self.answer_start), False
        for i, token in enumerate(ids):
            if answering:
                labels[i] = token
                answering = token != self.end_of_turn
            elif ids[max(0, i - width + 1) : i + 1] == self.answer_start:
                answering = True
        return labels

    def __call__(self, documents: list[Document]) -> list[Example]:
        encoded = self.tokenizer([self._text(document) for document in documents], add_special_tokens=False)[
            "input_ids"
        ]
        return [(ids, self._labels(ids, not doc.text)) for ids, doc in zip(encoded, documents, strict=True)]


def batches(encoder: Encoder, stream: Iterator[Document]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield token ids and labels, each of shape `[documents, tokens]` and about `BATCH_TOKENS` tokens."""
    rng = Random(SEED)
    while True:
        examples = sorted(encoder(list(islice(stream, DOCUMENTS_AT_ONCE))), key=lambda example: len(example[0]))
        groups: list[list[Example]] = [[]]
        for example in examples:
            if len(example[0]) * (len(groups[-1]) + 1) > BATCH_TOKENS:
                groups.append([])
            groups[-1].append(example)
        rng.shuffle(groups)
        for group in groups:
            length = max(len(ids) for ids, _ in group)
            pad = encoder.tokenizer.pad_token_id
            ids = torch.tensor([ids + [pad] * (length - len(ids)) for ids, _ in group])
            labels = torch.tensor([labels + [IGNORED] * (length - len(labels)) for _, labels in group])
            yield ids, labels


def loss_of(model: LlamaForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean cross entropy of the labelled tokens."""
    # Padding is on the right and attention is causal: no mask is needed. Logits are computed for labelled tokens only.
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(ids).last_hidden_state[:, :-1]
        targets = labels[:, 1:]
        learnt = targets != IGNORED
        logits = model.lm_head(hidden[learnt])
    return functional.cross_entropy(logits.float(), targets[learnt])


def optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers, which needs half the steps here, and AdamW for the rest."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not matrix for matrix in matrices)]
    return [
        torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.97), weight_decay=0.0),
    ]


def train(model: LlamaForCausalLM, encoder: Encoder, part: Part) -> float:
    """Train the model, and return the loss, averaged over about the last 50 steps."""
    steppers = optimizers(model)

    def rate(step: int) -> float:
        return part.rate * min((step + 1) / WARMUP, 1.0, (part.steps - step) / (part.steps * part.decay))

    schedules = [torch.optim.lr_scheduler.LambdaLR(stepper, rate) for stepper in steppers]
    average = 0.0
    model.train()
    steps = islice(batches(encoder, part.documents()), part.steps)
    with tqdm(steps, total=part.steps, desc="train", mininterval=1.0) as progress:
        for step, (ids, labels) in enumerate(progress):
            loss = loss_of(model, ids, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for stepper, schedule in zip(steppers, schedules, strict=True):
                stepper.step()
                stepper.zero_grad(set_to_none=True)
                schedule.step()
            average = loss.item() if step == 0 else 0.98 * average + 0.02 * loss.item()
            progress.set_postfix(loss=f"{average:.4f}", refresh=False)
    return average


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the model to a temporary directory and move each file to its place, so that no file is ever incomplete."""
    with tempfile.TemporaryDirectory(dir=MODEL_DIR) as name:
        folder = Path(name)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        (folder / "model.safetensors.sha256").write_text(f"{digest}  model.safetensors\n")
        for path in folder.iterdir():
            path.chmod(0o644)
            path.replace(MODEL_DIR / path.name)


def main() -> None:
    torch.set_num_threads(2)
    tokenizer = make_tokenizer()
    names = list(PARTS)
    begin = names.index(sys.argv[1]) if sys.argv[1:] else 0
    model = new_model(tokenizer)
    print(f"{model.num_parameters():,} parameters, {len(tokenizer):,} tokens in the vocabulary")
    for name in names[begin:]:
        if name != "all":  # from the stored weights, so that it does not matter which parts this run has trained
            model = LlamaForCausalLM.from_pretrained(MODEL_DIR, dtype=torch.float32)
        print(f"{name}: last loss (moving average) {train(model, Encoder(tokenizer), PARTS[name]):.4f}")
        save(model.to(torch.bfloat16), tokenizer)
    report(model, tokenizer)


if __name__ == "__main__":
    main()
