"""Structured outputs: the wire's `Structure` as vLLM's parameters, and checks of JSON Schemas."""

from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, SchemaError
from vllm.sampling_params import StructuredOutputsParams

from schemas.errors import invalid
from schemas.wire import Structure


def structured_outputs(wanted: Structure | None) -> StructuredOutputsParams | None:
    """Return vLLM's parameters for `wanted`. None: the answer may be any text.

    Raises `ApiError` (400) if the JSON Schema is invalid.
    """
    if wanted is None:
        return None
    if wanted.json is not None:
        check_schema(wanted.json, wanted.field)
        return StructuredOutputsParams(json=wanted.json)
    if wanted.json_object:
        return StructuredOutputsParams(json_object=True)
    return StructuredOutputsParams(regex=wanted.regex, choice=wanted.choice, grammar=wanted.grammar)


def check_parameters(function: dict[str, Any], field: str) -> None:
    """Check the parameters of a tool whose calls must match them (`strict`). `field` is their path in the request.

    Raises `ApiError` (400) if they are not a valid JSON Schema.
    """
    if function.get("strict") and "parameters" in function:
        check_schema(function["parameters"], field)


def check_schema(schema: dict[str, Any], field: str) -> None:
    """Check that `schema` is a JSON Schema. `field` is its path in the request.

    Raises `ApiError` (400), which names the place of the error.
    """
    error = _schema_error(msgspec.json.encode(schema))
    if error is not None:
        place, message = error
        path = f"{field}{place}"
        raise invalid(f"Invalid value for `{path}`: not a JSON Schema: {message}", path)


@lru_cache(maxsize=256)  # a client repeats its schema, and each check takes milliseconds of the engine's loop
def _schema_error(encoded: bytes) -> tuple[str, str] | None:
    """Return the place and the text of the error in an encoded schema. None: the schema is valid."""
    try:
        Draft202012Validator.check_schema(msgspec.json.decode(encoded))
    except SchemaError as error:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        return place, error.message[:500]
    except RecursionError:
        return "", "it is nested too deeply."
    return None
