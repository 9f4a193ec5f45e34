"""Flags of `vllm serve` beyond the engine's own: the chat template, tool parsers, LoRA adapters."""

import argparse
from pathlib import Path
from typing import Any

from vllm.lora.request import LoRARequest
from vllm.parser import ParserManager
from vllm.parser.abstract_parser import Parser
from vllm.renderers.chat_utils import load_chat_template
from vllm.tool_parsers import ToolParserManager

from engine_proc.adapter.prompts.rendering import Template

try:
    from vllm.entrypoints.common.cli_args import BaseFrontendArgs, resolve_default_chat_template_kwargs
except ModuleNotFoundError:  # vLLM before 0.33
    from vllm.entrypoints.launchers.cli_args import BaseFrontendArgs, resolve_default_chat_template_kwargs

# `--enable-auto-tool-choice` has no effect. It is accepted so that a command line of `vllm serve` works unchanged.
FLAGS = (
    "lora_modules",
    "chat_template",
    "chat_template_content_format",
    "default_chat_template_kwargs",
    "enable_auto_tool_choice",
    "tool_call_parser",
    "tool_parser_plugin",
    "tool_strict_level",
)

LLAMA_CALLS = "<|python_tag|>"
"""Token of Llama models that were trained to call tools. vLLM's parser for their calls needs it."""


class ServingFlags(BaseFrontendArgs):  # type: ignore[misc]
    """The flags of `vllm serve` that concern the model: those in `FLAGS`."""

    @classmethod
    def _customize_cli_kwargs(cls, frontend_kwargs: dict[str, Any]) -> dict[str, Any]:
        kwargs = super()._customize_cli_kwargs(frontend_kwargs)
        return {name: kwargs[name] for name in FLAGS}


def template(args: argparse.Namespace) -> Template:
    """Return the chat template that the flags set. Raises `ValueError` if `--chat-template` names a missing file."""
    return Template(
        load_chat_template(args.chat_template),
        args.chat_template_content_format,
        resolve_default_chat_template_kwargs(args),
    )


def adapters(args: argparse.Namespace) -> dict[str, LoRARequest]:
    """Return the LoRA adapters of `--lora-modules` by name."""
    return {
        module.name: LoRARequest(module.name, number, module.path)
        for number, module in enumerate(args.lora_modules or (), start=1)
    }


def adapter_problem(args: argparse.Namespace) -> str | None:
    """Return an error message if adapters are not enabled, or the directory of one is missing, else None."""
    if args.lora_modules and not args.enable_lora:
        return "--lora-modules has no effect without --enable-lora"
    for module in args.lora_modules or ():
        if module.path.startswith(("/", ".")) and not (Path(module.path) / "adapter_config.json").exists():
            return f"--lora-modules {module.name}: there is no adapter in {module.path}"
    return None


def parser(args: argparse.Namespace, tokenizer: Any, config: Any) -> type[Parser] | None:
    """Return vLLM's parser of the model's reasoning and tool calls. None: the model has no parser.

    `config` is vLLM's, of the loaded model. Raises `TypeError` for an unknown parser, or one that does not work with
    this tokenizer.
    """
    if args.tool_parser_plugin:
        ToolParserManager.import_tool_parser(args.tool_parser_plugin)
    kind = config.model_config.hf_config.model_type
    tools = args.tool_call_parser
    if tools is None and kind == "llama" and LLAMA_CALLS in tokenizer.get_vocab():
        tools = "llama3_json"
    found: type[Parser] | None = ParserManager.get_parser(
        tool_parser_name=tools,
        reasoning_parser_name=config.structured_outputs_config.reasoning_parser or None,
        enable_auto_tools=True,
        model_name=config.model_config.model,
        is_harmony=kind == "gpt_oss",
        tool_strict_level=args.tool_strict_level,
        tokenizer=tokenizer,
    )
    return found
