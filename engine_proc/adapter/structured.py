"""What an answer must look like, as vLLM takes it."""

from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, SchemaError
from vllm.sampling_params import StructuredOutputsParams

from schemas.errors import invalid
from schemas.wire import Structure


def structured_outputs(wanted: Structure | None) -> StructuredOutputsParams | None:
    """Raises `ApiError` (400), which says where a schema is none."""
    if wanted is None:
        return None
    if wanted.json is not None:
        check_schema(wanted.json, wanted.field)
        return StructuredOutputsParams(json=wanted.json)
    if wanted.json_object:
        return StructuredOutputsParams(json_object=True)
    return StructuredOutputsParams(regex=wanted.regex, choice=wanted.choice, grammar=wanted.grammar)


def check_parameters(function: dict[str, Any], field: str) -> None:
    """Of a tool that is to be held to them. Raises `ApiError` (400)."""
    if function.get("strict") and "parameters" in function:
        check_schema(function["parameters"], field)


def check_schema(schema: dict[str, Any], field: str) -> None:
    """Raises `ApiError` (400), which says where it is none. `field`: where the request has it."""
    complaint = _complaint(msgspec.json.encode(schema))
    if complaint is not None:
        where, message = complaint
        path = f"{field}{where}"
        raise invalid(f"Invalid value for `{path}`: no JSON Schema: {message}", path)


@lru_cache(maxsize=256)  # a client sends the same one each time, and a check takes milliseconds of the engine's loop
def _complaint(encoded: bytes) -> tuple[str, str] | None:
    try:
        Draft202012Validator.check_schema(msgspec.json.decode(encoded))
    except SchemaError as error:
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        return where, error.message[:500]
    except RecursionError:
        return "", "it is nested too deeply."
    return None
