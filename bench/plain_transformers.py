"""What `bench.offline` compares with: Transformers' `generate`, one prompt after another, and then in batches.

`python -m bench.plain_transformers REQUESTS TOKENS` prints JSON: seconds, batched_seconds, texts.
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
    tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(DEMO_MODEL).eval()
    conversations = [json.loads(line)["body"]["messages"] for line in requests.read_text().splitlines()]
    length = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}

    def generate(some: list[Any]) -> list[str]:
        inputs = tokenizer.apply_chat_template(
            some, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
        )
        with torch.inference_mode():
            output = model.generate(**inputs, **length, pad_token_id=tokenizer.pad_token_id)
        answers = output[:, inputs["input_ids"].shape[1] :]
        return list(tokenizer.batch_decode(answers, skip_special_tokens=True))

    generate(conversations[:1])  # a warm-up
    began = time.perf_counter()
    texts = [text for conversation in conversations for text in generate([conversation])]
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    for start in range(0, len(conversations), BATCH):
        generate(conversations[start : start + BATCH])
    batched = time.perf_counter() - began
    json.dump({"seconds": seconds, "batched_seconds": batched, "texts": texts}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
