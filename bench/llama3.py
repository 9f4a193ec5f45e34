"""Llama 3 without Meta's weights: the real tokenizer, for tests and for the simulated GPU.

`python -m bench.llama3 tiny` creates a model of two small layers with random weights. `python -m bench.llama3 8b`
creates the configuration of Llama-3-8B-Instruct without weights (bench/simulated_gpu.py needs none). Each prints the
model's directory, which is in the user's cache and is created once.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

VOCABULARY = 128_256
BEGIN, END_OF_TURN = "<|begin_of_text|>", "<|eot_id|>"
SPECIAL_TOKENS = [
    BEGIN,
    "<|end_of_text|>",
    *(f"<|reserved_special_token_{number}|>" for number in range(4)),
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|reserved_special_token_4|>",
    END_OF_TURN,
    *(f"<|reserved_special_token_{number}|>" for number in range(5, 251)),
]
BEGIN_ID, END_ID, END_OF_TURN_ID = 128_000, 128_001, 128_009
CHAT_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
"""Llama-3-8B-Instruct's own template."""
CONTEXT = 8192
SHAPE_8B = {
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
SHAPE_TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,  # large enough that rounding never changes which token is the likeliest
}


def tiny(cache: Path | None = None) -> Path:
    """Return the directory of the model with random weights."""
    return _cached("tiny", _make_tiny, cache)


def configuration_8b(cache: Path | None = None) -> Path:
    """Return the directory of Llama-3-8B-Instruct's configuration and tokenizer, without weights."""
    return _cached("8b", _make_8b, cache)


def tokenizer_file() -> Path:
    """Return the path of Meta's own file of byte pairs, in tiktoken's format."""
    return Path(str(distribution("llama-models").locate_file("llama_models/llama3/tokenizer.model")))


def _cached(name: str, make: Callable[[Path], None], cache: Path | None) -> Path:
    """Create the model `name` unless it exists, and return its directory. Several processes may do this at once."""
    recipe = hashlib.sha256(Path(__file__).read_bytes())
    for package in ("llama-models", "transformers", "tokenizers", "torch"):
        recipe.update(version(package).encode())
    directory = (cache or _user_cache()) / f"llama-3-{name}-{recipe.hexdigest()[:12]}"
    if directory.exists():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", dir=directory.parent))
    try:
        make(unfinished)
        if not directory.exists():
            unfinished.rename(directory)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return directory


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hearth"


def _make_tiny(directory: Path) -> None:
    import torch
    from transformers import LlamaForCausalLM

    _write_tokenizer(directory)
    torch.manual_seed(20240418)
    LlamaForCausalLM(_configuration(SHAPE_TINY)).to(torch.bfloat16).save_pretrained(directory)
    _write_generation_config(directory)


def _make_8b(directory: Path) -> None:
    _write_tokenizer(directory)
    _configuration(SHAPE_8B).save_pretrained(directory)
    _write_generation_config(directory)


def _configuration(shape: dict[str, Any]) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        **shape,
        architectures=["LlamaForCausalLM"],
        vocab_size=VOCABULARY,
        max_position_embeddings=CONTEXT,
        rope_theta=500_000.0,
        rms_norm_eps=1e-5,
        bos_token_id=BEGIN_ID,
        eos_token_id=END_OF_TURN_ID,
        tie_word_embeddings=False,
        dtype="bfloat16",
    )


def _write_tokenizer(directory: Path) -> None:
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import TikTokenConverter

    converted = TikTokenConverter(str(tokenizer_file()), extra_special_tokens=SPECIAL_TOKENS).converted()
    converted.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{BEGIN} $A",
                pair=f"{BEGIN}:0 $A:0 {BEGIN}:1 $B:1",
                special_tokens=[(BEGIN, BEGIN_ID)],
            ),
        ]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=converted,
        bos_token=BEGIN,
        eos_token=END_OF_TURN,
        chat_template=CHAT_TEMPLATE,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=True,  # Meta's own setting
    ).save_pretrained(directory)


def _write_generation_config(directory: Path) -> None:
    config = {
        "bos_token_id": BEGIN_ID,
        "eos_token_id": [END_ID, END_OF_TURN_ID],
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.9,
        "max_length": 4096,
    }
    (directory / "generation_config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    models = {"tiny": tiny, "8b": configuration_8b}
    parser = argparse.ArgumentParser(prog="python -m bench.llama3", description=__doc__)
    parser.add_argument("model", choices=models)
    parser.add_argument("cache", nargs="?", type=Path, help="directory for the model (default: the user's cache)")
    arguments = parser.parse_args()
    sys.stdout.write(f"{models[arguments.model](arguments.cache)}\n")
