"""From vLLM's command line to a loaded engine."""

import argparse
import os
from pathlib import Path

import vllm
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.platforms import current_platform
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser

from engine_proc.adapter.engine import Engine
from engine_proc.adapter.loading import flags
from engine_proc.adapter.loading.children import YIELD_VARIABLE
from engine_proc.adapter.loading.download import fetch_weights
from engine_proc.adapter.observing.traces import endpoint
from engine_proc.adapter.outputs import OnStage

VLLM_VERSION: str = vllm.__version__
CPU_WORKER = "engine_proc.adapter.loading.cpu_worker.CPUWorker"
"""The class of vLLM's worker on a CPU, which vLLM imports in the worker's process."""


def make_parser() -> FlexibleArgumentParser:
    """Return a parser of vLLM's flags, without `--help`."""
    parser = FlexibleArgumentParser(
        prog="python -m engine_proc serve", description="Every vLLM engine flag is accepted.", add_help=False
    )
    AsyncEngineArgs.add_cli_args(parser)
    flags.ServingFlags.add_cli_args(parser)
    return parser


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Parse vLLM's flags. Exits with status 2, a usage line and an error message if a flag is wrong."""
    parser = make_parser()
    parser.add_argument("--help", "-h", action="help", help="show this help message and exit")
    args: argparse.Namespace = parser.parse_args(argv)
    problem = flags.missing_adapter(args)
    if problem is not None:
        parser.error(problem)
    return args


def load(args: argparse.Namespace, on_stage: OnStage) -> Engine:
    """Load the model that `args` name, and return the engine. `on_stage` is called with each stage of the load."""
    on_stage("reading the model's configuration")
    if args.enforce_eager and current_platform.is_cpu():
        # vLLM still compiles some small operations (logprobs), at the first request that needs them. This takes tens
        # of seconds, and a C++ compiler that the host may not have. The processes that vLLM starts inherit this.
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    if current_platform.is_cpu():  # vLLM's workers use the cores that the web tier needs too
        os.environ.setdefault(YIELD_VARIABLE, "0.0002")
    engine_args = AsyncEngineArgs.from_cli_args(args)
    if current_platform.is_cpu() and engine_args.worker_cls == "auto":
        engine_args.worker_cls = CPU_WORKER
    engine_args.otlp_traces_endpoint = engine_args.otlp_traces_endpoint or endpoint()
    engine_args.max_logprobs = -1  # no limit: beam search may need all. The schema limits clients to 20
    if engine_args.structured_outputs_config.backend == "auto":
        # With `auto` vLLM would keep the backend of the first request for all later requests.
        engine_args.structured_outputs_config.backend = "xgrammar"
    if engine_args.structured_outputs_config.backend in ("xgrammar", "guidance"):
        # Otherwise JSON may contain endless whitespace, which small models generate until `max_tokens`.
        engine_args.structured_outputs_config.disable_any_whitespace = True
    config = engine_args.create_engine_config(UsageContext.API_SERVER)
    fetch_weights(
        config, lambda done, total: on_stage(f"downloading {args.model} ({total / 1e9:.2f} GB)", done / total)
    )
    on_stage(f"loading {Path(args.model).name} and warming it up")
    # vLLM's configuration keeps only the first of several names.
    names = args.served_model_name or [config.model_config.served_model_name]
    return Engine(config, names, flags.adapters(args))
