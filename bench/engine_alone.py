"""The engine without a server: the upper limit for any front end.

`python -m bench.engine_alone FLAGS` loads the model that vLLM's flags name, and prints `ready`. Then each line on
standard input is a load, as JSON, and is answered by the seconds that the load took. The generated token ids are not
detokenised.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

from bench.loads import Load
from engine_proc.adapter.loading.children import die_with_parent
from engine_proc.adapter.loading.environment import set_vllm_environment
from schemas.shared.endpoint import DEFAULT_RUN_DIR

if __name__ in {"__main__", "__mp_main__"}:
    die_with_parent()  # vLLM's processes run this module again, and die with their parent


async def main(flags: list[str], results: Any) -> None:
    """Load the model, and run the loads of standard input. `results` is a file for the answers."""
    from engine_proc.adapter.loading import model
    from engine_proc.adapter.prompts.rendering import Rendering

    engine = model.load(model.parse_args(flags), lambda stage, share=None: None)
    rendering = Rendering(engine.renderer, engine.max_model_len, engine.vocab_size)
    results.write("ready\n")
    results.flush()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        seconds = await drive(engine, rendering, Load(**json.loads(line)))
        results.write(f"{seconds:.6f}\n")
        results.flush()


async def drive(engine: Any, rendering: Any, load: Load) -> float:
    """Run a load, with as many sequences at once as it has connections, times n. Returns the seconds it took."""
    from vllm import SamplingParams

    from schemas.wire import Generate

    params = SamplingParams(
        temperature=0 if load.n == 1 else 1, max_tokens=load.max_tokens, ignore_eos=True, detokenize=False
    )
    prompts = []
    for number in range(len(load.bodies())):
        prompts += rendering.render(Generate(id=0, name="", messages=load.messages(number)))
    total, started, finished = load.requests * load.n, 0, 0
    began = time.perf_counter()
    while finished < total:
        while started < total and started - finished < load.connections * load.n:
            prompt = prompts[started // load.n % len(prompts)]
            await engine.submit(None, engine.prepare(prompt.input, params), raw=True)
            started += 1
        finished += sum(output.finish_reason is not None for output in await engine.step())
    return time.perf_counter() - began


if __name__ == "__main__":
    set_vllm_environment(DEFAULT_RUN_DIR)
    standard_output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # standard output carries only the results, not what vLLM prints
    asyncio.run(main(sys.argv[1:], standard_output))
    sys.stderr.flush()
    os._exit(0)  # vLLM's processes die with this one
