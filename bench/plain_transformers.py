"""Transformers' `generate`, one prompt after another and then in batches, for comparison in `bench.offline`.

`python -m bench.plain_transformers REQUESTS TOKENS` prints JSON: threads, seconds, batched_seconds, texts. It uses one
thread or torch's default number, whichever is faster: for a small model, sharing work may cost more than it gains.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine_proc.settings import DEMO_MODEL

BATCH = 64


def main(requests: Path, tokens: int) -> None:
    """Answer each request of the file with `tokens` tokens, and print the result."""
    tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(DEMO_MODEL).eval()
    conversations = [json.loads(line)["body"]["messages"] for line in requests.read_text().splitlines()]
    model.generation_config.eos_token_id = None  # as `ignore_eos` has it

    def generate(batch: list[Any]) -> list[str]:
        inputs = tokenizer.apply_chat_template(
            batch, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
        )
        with torch.inference_mode():
            output = model.generate(
                **inputs, max_new_tokens=tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )
        answers = output[:, inputs["input_ids"].shape[1] :]
        return list(tokenizer.batch_decode(answers, skip_special_tokens=True))

    def seconds_for_one(threads: int) -> float:
        torch.set_num_threads(threads)
        began = time.perf_counter()
        generate(conversations[:1])
        return time.perf_counter() - began

    generate(conversations[:1])  # a warm-up
    threads = min({1, torch.get_num_threads()}, key=seconds_for_one)
    torch.set_num_threads(threads)
    began = time.perf_counter()
    texts = [text for conversation in conversations for text in generate([conversation])]
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    for start in range(0, len(conversations), BATCH):
        generate(conversations[start : start + BATCH])
    batched = time.perf_counter() - began
    result = {"threads": threads, "seconds": seconds, "batched_seconds": batched, "texts": texts}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
