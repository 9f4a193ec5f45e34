"""Train a small LoRA adapter for the demo model: `python demo_model/train_adapter.py`, 5 minutes on two CPU cores.

With the adapter, the model writes its reasoning before its answer, in the format of vLLM's `qwen3` reasoning parser.
The reasoning is trivial: the adapter shows that adapters and reasoning can be served.
"""

import json
import math
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import torch
from documents import Composer, Document
from make_tokenizer import MODEL_DIR
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from train import SEED, Encoder, batches, loss_of
from transformers import AutoTokenizer, LlamaForCausalLM

ADAPTER_DIR = MODEL_DIR / "adapter"
RANK = 8
ALPHA = 16
STEPS = 350
RATE = 2e-3
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
THOUGHT = "<think>They ask about {}.</think>{}"


class Adapted(nn.Module):  # type: ignore[misc]
    """A linear layer and its low-rank correction."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.a = nn.Parameter(torch.empty(RANK, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, RANK))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        correction = functional.linear(functional.linear(x, self.a), self.b)
        out: torch.Tensor = self.base(x) + correction * (ALPHA / RANK)
        return out


def adapt(model: LlamaForCausalLM) -> dict[str, Adapted]:
    """Replace each layer of TARGETS by an `Adapted`, and return these by name."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    adapted = {}
    for name, module in list(model.named_modules()):
        if name.rpartition(".")[2] in TARGETS:
            parent = model.get_submodule(name.rpartition(".")[0])
            adapted[name] = Adapted(module)
            setattr(parent, name.rpartition(".")[2], adapted[name])
    return adapted


def thoughtful() -> Iterator[Document]:
    """Yield questions and answers of the corpus, with reasoning before each answer, endlessly."""
    composer, rng = Composer(SEED), Random(SEED)
    while True:
        topic = rng.choices(composer.topics, composer.weights)[0]
        subject = topic.name.replace("_", " ")
        yield Document(
            [
                {"role": "user", "content": rng.choice(topic.questions)},
                {"role": "assistant", "content": THOUGHT.format(subject, topic.answer)},
            ]
        )


def train(model: LlamaForCausalLM, adapted: dict[str, Adapted], encoder: Encoder) -> None:
    learnt = [parameter for layer in adapted.values() for parameter in (layer.a, layer.b)]
    stepper = torch.optim.AdamW(learnt, lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(stepper, lambda step: 1 - step / STEPS)
    model.train()
    with tqdm(islice(batches(encoder, thoughtful()), STEPS), total=STEPS, desc="train adapter") as progress:
        for ids, labels in progress:
            loss = loss_of(model, ids, labels)
            loss.backward()
            stepper.step()
            stepper.zero_grad(set_to_none=True)
            schedule.step()
            progress.set_postfix(loss=f"{loss.item():.4f}", refresh=False)


def save(adapted: dict[str, Adapted]) -> None:
    """Write the adapter in PEFT's format. Each file is moved to its place when it is complete."""
    weights = {}
    for name, layer in adapted.items():
        weights[f"base_model.model.{name}.lora_A.weight"] = layer.a.detach().to(torch.bfloat16).contiguous()
        weights[f"base_model.model.{name}.lora_B.weight"] = layer.b.detach().to(torch.bfloat16).contiguous()
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "demo_model",
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(TARGETS),
    }
    ADAPTER_DIR.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ADAPTER_DIR) as name:
        folder = Path(name)
        save_file(weights, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
        for path in folder.iterdir():
            path.chmod(0o644)
            path.replace(ADAPTER_DIR / path.name)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def show(model: LlamaForCausalLM, encoder: Encoder) -> None:
    model.eval()
    for question in ("Hello", "Who are you?"):
        messages = [{"role": "user", "content": question}]
        text = encoder.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        inputs = encoder.tokenizer(text, add_special_tokens=False, return_tensors="pt")
        output = model.generate(**inputs, do_sample=False, max_new_tokens=80)
        print(f"{question!r}\n       {encoder.tokenizer.decode(output[0, inputs['input_ids'].shape[1] :])!r}")


def main() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(SEED)
    encoder = Encoder(AutoTokenizer.from_pretrained(MODEL_DIR))
    model = LlamaForCausalLM.from_pretrained(MODEL_DIR, dtype=torch.float32)
    adapted = adapt(model)
    train(model, adapted, encoder)
    save(adapted)
    show(model, encoder)


if __name__ == "__main__":
    main()
