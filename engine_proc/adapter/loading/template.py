"""The check of the chat template before the model is loaded: with a wrong one, every chat would fail."""

from typing import Any

from transformers.utils.chat_template_utils import _compile_jinja_template
from vllm.renderers.hf import resolve_chat_template

from engine_proc.adapter.loading.set_up import SetUpError
from engine_proc.adapter.prompts.rendering import Template


def check_template(template: Template, tokenizer: Any, model_config: Any) -> None:
    """Raise `SetUpError` if the chat template is not one. A model without a template passes: it completes texts.

    `template` is the operator's, `tokenizer` the model's (None: it has none) and `model_config` vLLM's.
    """
    if not hasattr(tokenizer, "get_chat_template"):  # Mistral's own tokenizer has no template
        return
    with_tools: list[dict[str, Any]] = [{}]  # a model may have a template of its own for requests with tools
    texts = [
        resolve_chat_template(tokenizer, template.text, tools, model_config=model_config)
        for tools in (None, with_tools)
    ]
    for text in texts:
        if text is not None:
            _check(text)


def _check(text: str) -> None:
    try:
        _compile_jinja_template(text)
    except Exception as error:
        line = getattr(error, "lineno", None)  # of Jinja's errors
        where = f" in line {line}" if line else ""
        raise SetUpError(f"the chat template is not valid{where}: {error}") from error
