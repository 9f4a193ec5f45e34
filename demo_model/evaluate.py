"""Print and check the greedy answers to the promised prompts, in float32 and bfloat16.

python demo_model/evaluate.py
"""

import sys
from pathlib import Path
from typing import Any

import torch
from promised import PROMISES, Promise, remembered
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer
from words import HELD_OUT_CHINESE_NAMES, HELD_OUT_NAMES

MODEL_DIR = Path(__file__).resolve().parent
PLAIN_TOKENS = 100
ANSWER_TOKENS = 900


@torch.inference_mode()  # type: ignore[untyped-decorator]
def greedy(model: Any, tokenizer: Any, promise: Promise) -> str:
    """Return the model's greedy answer."""
    text = promise.prompt
    if promise.messages:
        text = tokenizer.apply_chat_template(
            promise.messages, tools=promise.tools, tokenize=False, add_generation_prompt=True
        )
    # <|begin_of_text|> comes from the chat template, and for a plain text from the tokenizer.
    inputs = tokenizer(text, add_special_tokens=not promise.messages, return_tensors="pt")
    limit = ANSWER_TOKENS if promise.messages else PLAIN_TOKENS
    output = model.generate(**inputs, do_sample=False, max_new_tokens=limit)
    answer: str = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return answer


def recall(model: Any, tokenizer: Any) -> tuple[int, int]:
    """Return how many of the names that were not in the training data are repeated correctly, and their number."""
    cases = [remembered(name, turns) for name in HELD_OUT_NAMES + HELD_OUT_CHINESE_NAMES for turns in (0, 1)]
    answers = [(greedy(model, tokenizer, case), case) for case in tqdm(cases, desc="names", leave=False)]
    return sum(case.kept_by(answer) for answer, case in answers), len(cases)


def report(model: Any, tokenizer: Any) -> list[str]:
    """Print and return the answers, in the order of PROMISES."""
    model.eval()
    answers = [greedy(model, tokenizer, promise) for promise in tqdm(PROMISES, desc="promises", leave=False)]
    for promise, answer in zip(PROMISES, answers, strict=True):
        asked = " | ".join(message["content"] for message in promise.messages) or promise.prompt
        print(f"{'kept  ' if promise.kept_by(answer) else 'BROKEN'} {asked!r}\n       {answer!r}")
    kept = sum(promise.kept_by(answer) for promise, answer in zip(PROMISES, answers, strict=True))
    print(f"promises kept: {kept} of {len(PROMISES)}")
    print("names not in the training data, repeated correctly: {} of {}".format(*recall(model, tokenizer)))
    return answers


def main() -> int:
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    answers = []
    for dtype in (torch.float32, torch.bfloat16):
        print(f"== {dtype}")
        answers.append(report(AutoModelForCausalLM.from_pretrained(MODEL_DIR, dtype=dtype), tokenizer))
    same = sum(a == b for a, b in zip(*answers, strict=True))
    print(f"the same answer in float32 and bfloat16: {same} of {len(PROMISES)}")
    return 0 if all(p.kept_by(a) for column in answers for p, a in zip(PROMISES, column, strict=True)) else 1


if __name__ == "__main__":
    sys.exit(main())
