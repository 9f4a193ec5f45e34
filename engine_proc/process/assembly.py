"""Load the model and connect it to a `Server`, for `serve` and `batch` alike."""

import contextlib
import gc
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine_proc.model_files import fingerprint
from engine_proc.serving.server import Server
from engine_proc.settings import Settings

if TYPE_CHECKING:
    from argparse import Namespace

    from engine_proc.adapter.engine import Engine
    from engine_proc.adapter.prompts.rendering import Template

ANSWER_FLAGS = (
    "generation_config",
    "hf_overrides",
    "kv_cache_dtype",
    "lora_dtype",
    "override_generation_config",
    "quantization",
    "reasoning_parser",
    "revision",
    "tokenizer_mode",
    "tokenizer_revision",
    "tool_call_parser",
)
"""vLLM's flags that change answers. Those that change only how fast they come are left out, so that an engine which is
started with another one of these resumes the requests of the engine before.
"""


def load_and_attach(settings: Settings, argv: list[str], server: Server) -> "Engine":
    """Load the model, attach it to `server`, fill in `server.welcome`, and return the engine.

    Blocks until the model is loaded. The calling thread must outlive the engine (see `die_with_parent`). `argv` is
    vLLM's command line. Raises `SetUpError` where a second attempt would not help, any other exception of vLLM's where
    it may, and `SystemExit` for `--help`.
    """
    server.clock.stage("importing vLLM")
    with _no_collections():
        from engine_proc.adapter.calls.parsing import Parsing
        from engine_proc.adapter.loading import flags, model
        from engine_proc.adapter.prompts.rendering import Rendering
        from engine_proc.adapter.sampling import SamplingRules, find_default_stop_ids, repetition_detection
        from engine_proc.adapter.shortcuts.asked_once import ask_once
        from engine_proc.answering.starting import Starter

    args = model.parse_args(argv)
    engine = model.load(args, server.clock.stage)
    ask_once(engine.renderer)
    template = flags.template(args)
    server.launcher.log_requests = args.enable_log_requests
    tokenizer = engine.renderer.get_tokenizer()
    stop_ids = find_default_stop_ids(tokenizer, engine.generation_config, settings.default_stops)
    engine.sequences.silent_stop_ids = stop_ids
    rules = SamplingRules(
        tokenizer=tokenizer,
        vocab_size=engine.vocab_size,
        max_model_len=engine.max_model_len,
        defaults=engine.default_sampling,
        default_stop_ids=stop_ids,
        repetition=repetition_detection(settings.repeat_max_pattern, settings.repeat_min_count),
        max_beam_width=settings.max_beam_width,
    )
    welcome = server.welcome
    welcome.engine_version = f"vllm {model.VLLM_VERSION}"
    welcome.model = engine.model
    welcome.served_names = engine.served_names
    welcome.fingerprint = _fingerprint(engine, args, template, settings)
    welcome.max_model_len = engine.max_model_len
    welcome.vocab_size = engine.vocab_size
    welcome.adapters = engine.adapters
    defaults = engine.default_sampling
    welcome.sampling_defaults = {name: float(defaults[name]) for name in ("temperature", "top_p") if name in defaults}
    rendering = Rendering(
        engine.renderer,
        engine.max_model_len,
        engine.vocab_size,
        template,
        engine.shortcuts.encoder,
        control_tokens_in_text=settings.control_tokens_in_text,
    )
    welcome.shortcuts = [*engine.shortcuts.names, *rendering.shortcuts]
    parsing = Parsing(flags.parser(args, tokenizer, engine.config), tokenizer, engine.config.model_config)
    server.attach(engine, Starter(engine, rendering, rules, parsing))
    gc.collect()
    gc.freeze()  # vLLM's and torch's objects: a full collection that looks at them holds the loop for 400 ms
    return engine


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Turn Python's cyclic garbage collector off during the block.

    Importing vLLM makes millions of objects that stay. The collector looks at them again and again, for a fifth of the
    import's CPU time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _fingerprint(engine: "Engine", args: "Namespace", template: "Template", settings: Settings) -> str:
    """Return the fingerprint of all that an answer depends on: files, template, number formats, defaults."""
    others = {f"adapter {module.name}": module.path for module in args.lora_modules or ()}
    if args.tokenizer:
        others["tokenizer"] = args.tokenizer
    options = {
        "dtype": str(engine.config.model_config.dtype),
        "template": [template.text, str(template.content_format), template.defaults],
        "stops": settings.default_stops,
        "repetition": [settings.repeat_max_pattern, settings.repeat_min_count],
        "control_tokens_in_text": settings.control_tokens_in_text,
        **{name: str(getattr(args, name, None)) for name in ANSWER_FLAGS},
    }
    return fingerprint(engine.model, others, options)
