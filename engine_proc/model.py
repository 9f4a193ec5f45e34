"""Loading the model into a `Server`, alike for whichever process owns it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine_proc.fingerprint import fingerprint
from engine_proc.server import Server
from engine_proc.settings import Settings
from schemas.shared.log_lines import vllm_configuration

if TYPE_CHECKING:
    from engine_proc.engine import Engine

CONFIGURATIONS = ("config.json", "params.json")
"""What a model's directory has: Hugging Face's format, Mistral's own."""


def set_vllm_environment() -> None:
    """Before vLLM is imported."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB; vLLM's CPU backend would take a share of all memory
    # spawn runs the main module again in each child, which is how they die with their parent; and fork is no option
    # beside threads.
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"


def have_vllm_log_json(run_dir: Path) -> None:
    """In all of its processes, unless its operator has another configuration for it. Before vLLM is imported."""
    path = run_dir / "vllm-logging.json"
    path.write_bytes(vllm_configuration())
    os.environ.setdefault("VLLM_LOGGING_CONFIG_PATH", str(path))


def missing_model(settings: Settings) -> str | None:
    """The sentence for the operator where the model's directory is not there, or holds none."""
    if not settings.model.startswith(("/", ".")):
        return None
    directory = Path(settings.model)
    if not directory.is_dir():
        return f"HEARTH_MODEL: there is no directory {directory}"
    if not any((directory / name).exists() for name in CONFIGURATIONS):
        return f"HEARTH_MODEL: there is no model in {directory}: neither {' nor '.join(CONFIGURATIONS)}"
    return None


def load_and_attach(settings: Settings, argv: list[str], server: Server) -> "Engine":
    """Blocks until the model is loaded; the thread must outlive the engine (see `die_with_parent`).

    `argv` is vLLM's command line. Raises `SystemExit` where it is wrong, and whatever vLLM raises.
    """
    server.clock.stage("importing vLLM")
    from vllm.sampling_params import RepetitionDetectionParams

    from engine_proc import engine as adapter
    from engine_proc import flags
    from engine_proc.parsing import Parsing
    from engine_proc.rendering import Rendering
    from engine_proc.sampling import SamplingRules, find_default_stop_ids
    from engine_proc.starting import Starter

    args = adapter.parse_args(argv)
    engine = adapter.load(args, server.clock.stage)
    server.log_requests = args.enable_log_requests
    tokenizer = engine.renderer.get_tokenizer()
    stop_ids = find_default_stop_ids(tokenizer, engine.generation_config, settings.default_stops)
    engine.silent_stop_ids = stop_ids
    rules = SamplingRules(
        tokenizer=tokenizer,
        vocab_size=engine.vocab_size,
        max_model_len=engine.max_model_len,
        defaults=engine.default_sampling,
        default_stop_ids=stop_ids,
        repetition=RepetitionDetectionParams(
            max_pattern_size=settings.repeat_max_pattern, min_count=settings.repeat_min_count
        ),
    )
    welcome = server.welcome
    welcome.engine_version = f"vllm {adapter.VLLM_VERSION}"
    welcome.model = engine.model
    welcome.served_names = engine.served_names
    welcome.fingerprint = fingerprint(engine.model)
    welcome.max_model_len = engine.max_model_len
    welcome.vocab_size = engine.vocab_size
    welcome.adapters = engine.adapters
    rendering = Rendering(engine.renderer, engine.max_model_len, engine.vocab_size, flags.template(args))
    parsing = Parsing(flags.parser(args, tokenizer, engine.config), tokenizer, engine.config.model_config)
    server.attach(engine, Starter(engine, rendering, rules, parsing))
    return engine
