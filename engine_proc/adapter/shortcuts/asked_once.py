"""What vLLM asks for with each request, though the answer is always the same."""

from typing import Any

from vllm import envs
from vllm.renderers import BaseRenderer


def ask_once(renderer: BaseRenderer[Any]) -> None:
    """Have vLLM keep the answers from now on. For a process whose model is loaded.

    The end token is asked of the tokenizer, through Transformers and vLLM's pool of tokenizers; vLLM's settings are
    read from the environment, and EngineCore keeps them too. Together these are a tenth of a short request.
    """
    end_token = renderer.get_eos_token_id()
    renderer.get_eos_token_id = lambda: end_token
    envs.enable_envs_cache()
