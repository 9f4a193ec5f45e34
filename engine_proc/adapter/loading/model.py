"""From vLLM's command line to a loaded engine."""

import argparse
import difflib
import os
import re
from pathlib import Path
from typing import NoReturn

import vllm
from vllm.config import VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.platforms import current_platform
from vllm.tokenizers.registry import cached_tokenizer_from_config
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser

from engine_proc.adapter.engine import Engine
from engine_proc.adapter.loading import flags
from engine_proc.adapter.loading.children import YIELD_VARIABLE
from engine_proc.adapter.loading.download import fetch_weights, is_unreachable
from engine_proc.adapter.loading.set_up import HubUnreachable, SetUpError, sentence
from engine_proc.adapter.loading.template import check_template
from engine_proc.adapter.observing.traces import endpoint
from engine_proc.adapter.outputs import OnStage

VLLM_VERSION: str = vllm.__version__
CPU_WORKER = "engine_proc.adapter.loading.cpu_worker.CPUWorker"
"""The class of vLLM's worker on a CPU, which vLLM imports in the worker's process."""


class Parser(FlexibleArgumentParser):  # type: ignore[misc]
    """vLLM's parser, whose errors are one sentence instead of the usage of all flags."""

    def error(self, message: str) -> NoReturn:
        """Raise `SetUpError`, with the flags that are most like those that `message` calls unknown."""
        known = [option for action in self._actions for option in action.option_strings]
        unknown = re.findall(r"--[\w.-]+", message) if message.startswith("unrecognized arguments") else []
        similar = [match for name in unknown for match in difflib.get_close_matches(name, known, 1)]
        hint = f"did you mean {', '.join(similar)}?" if similar else f"`{self.prog} --help` lists the flags"
        raise SetUpError(f"{message.strip()}: {hint}")


def make_parser() -> Parser:
    """Return a parser of vLLM's flags, without `--help`."""
    parser = Parser(prog="hearth serve", description="Every vLLM engine flag is accepted.", add_help=False)
    AsyncEngineArgs.add_cli_args(parser)
    flags.ServingFlags.add_cli_args(parser)
    return parser


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Parse vLLM's flags. Raises `SetUpError` if one is wrong; exits with status 0 after `--help`."""
    parser = make_parser()
    parser.add_argument("--help", "-h", action="help", help="show this help message and exit")
    args: argparse.Namespace = parser.parse_args(argv)
    problem = flags.adapter_problem(args)
    if problem is not None:
        raise SetUpError(problem)
    return args


def configure(args: argparse.Namespace) -> VllmConfig:
    """Return vLLM's configuration for the model that `args` name, after all checks that need no weights.

    Raises `SetUpError` where a second attempt would not help, and `HubUnreachable`.
    """
    try:
        config = _configure(args)
        try:
            tokenizer = cached_tokenizer_from_config(config.model_config)
        except Exception as error:  # the libraries' own say only what is wrong, not with what
            if is_unreachable(error):
                raise
            raise SetUpError(f"the model's tokenizer cannot be loaded: {sentence(error)}") from error
        check_template(flags.template(args), tokenizer, config.model_config)
        if tokenizer is not None:
            flags.parser(args, tokenizer, config)
    except SetUpError:
        raise
    except Exception as error:
        if is_unreachable(error):
            raise HubUnreachable(sentence(error)) from error
        raise SetUpError(sentence(error)) from error
    return config


def _configure(args: argparse.Namespace) -> VllmConfig:
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
    return engine_args.create_engine_config(UsageContext.API_SERVER)


def load(args: argparse.Namespace, on_stage: OnStage) -> Engine:
    """Load the model that `args` name, and return the engine. `on_stage` is called with each stage of the load.

    Raises what `configure` does, and vLLM's exceptions. A time-out of EngineCore's start is none of a hub's.
    """
    on_stage("reading the model's configuration")
    config = configure(args)
    try:
        fetch_weights(
            config, lambda done, total: on_stage(f"downloading {args.model} ({total / 1e9:.2f} GB)", done / total)
        )
    except Exception as error:
        if is_unreachable(error):
            raise HubUnreachable(sentence(error)) from error
        raise
    on_stage(f"loading {Path(args.model).name} and warming it up")
    # vLLM's configuration keeps only the first of several names.
    names = args.served_model_name or [config.model_config.served_model_name]
    return Engine(config, names, flags.adapters(args))
