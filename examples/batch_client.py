"""Answer a file of prompts, one on each line, many at the same time; write the answers as JSON lines.

    pip install openai tqdm
    make run                                                              # in one terminal
    python examples/batch_client.py prompts.txt answers.jsonl --at-once 16

HEARTH_URL is the server's address (default http://127.0.0.1:6006), HEARTH_API_KEY one of its keys, where it has any.
A line of the output is {"line": 1, "prompt": ..., "answer": ..., "tokens": ...}, with "error" instead of the last two
for a prompt that failed. The lines are in the order in which the answers finished.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from openai import APIError, AsyncOpenAI
from tqdm import tqdm

URL = os.environ.get("HEARTH_URL", "http://127.0.0.1:6006")


async def answer(client: AsyncOpenAI, prompt: str, max_tokens: int) -> dict[str, Any]:
    """Return `{"answer", "tokens"}`, or `{"error"}` where the request fails."""
    try:
        reply = await client.chat.completions.create(
            model="", messages=[{"role": "user", "content": prompt}], temperature=0, max_tokens=max_tokens
        )
    except APIError as error:
        return {"error": str(error)}
    assert reply.usage is not None
    return {"answer": reply.choices[0].message.content, "tokens": reply.usage.completion_tokens}


async def work(
    client: AsyncOpenAI, prompts: Iterator[tuple[int, str]], out: TextIO, bar: "tqdm[Any]", max_tokens: int
) -> int:
    """Answer prompts one after the other until none is left. Returns how many failed."""
    failed = 0
    for line, prompt in prompts:  # the iterator is shared: each worker takes the next prompt
        result = await answer(client, prompt, max_tokens)
        out.write(json.dumps({"line": line, "prompt": prompt, **result}, ensure_ascii=False) + "\n")
        failed += "error" in result
        bar.update()
    return failed


async def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("prompts", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--at-once", type=int, default=16, help="requests at the same time (default 16)")
    parser.add_argument("--max-tokens", type=int, default=256, help="most tokens of an answer (default 256)")
    args = parser.parse_args()

    lines = args.prompts.read_text(encoding="utf-8").splitlines()
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    prompts = iter(numbered)
    # The SDK waits and retries where the server answers 429 or 503.
    async with AsyncOpenAI(
        base_url=f"{URL}/v1", api_key=os.environ.get("HEARTH_API_KEY", "none"), max_retries=8
    ) as client:
        with args.answers.open("w", encoding="utf-8") as out, tqdm(total=len(numbered), unit="prompt") as bar:
            workers = [work(client, prompts, out, bar, args.max_tokens) for _ in range(args.at_once)]
            failed = sum(await asyncio.gather(*workers))
    print(f"{len(numbered) - failed} answered, {failed} failed: {args.answers}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
