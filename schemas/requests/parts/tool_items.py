"""Items of the Responses API that tell of calls: those of this server, and those of tools that it does not run."""

from typing import Any

from schemas.requests.parts.kept_messages import result_text

Item = dict[str, Any]

LEFT_OUT = (
    "web_search_call",
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "tool_search_call",
    "tool_search_output",
    "compaction",
)
"""Types of items that say nothing to another model: calls whose results the server of these tools kept."""
_CALLS = {
    "custom_tool_call": "input",
    "local_shell_call": "action",
    "shell_call": "action",
    "apply_patch_call": "operation",
    "mcp_call": "arguments",
}
"""Types of calls, and the member that holds what the tool is called with."""
_OUTPUTS = ("custom_tool_call_output", "local_shell_call_output", "shell_call_output", "apply_patch_call_output")


def as_known(item: Any) -> Any:
    """Return `item` in a form that this server knows. An item that is left out counts as reasoning, which is too.

    Other servers' calls and results become those of functions, so that the model sees them as text.
    """
    kind = item.get("type") if isinstance(item, dict) else None
    if not isinstance(kind, str):
        return item
    if kind in LEFT_OUT:
        return {"type": "reasoning", "id": item.get("id")}
    if kind in _CALLS or kind == "function_call":
        return _call(item, kind)
    if kind in _OUTPUTS or kind == "function_call_output":
        call_id = item.get("call_id") or item.get("id")
        return {**item, "type": "function_call_output", "call_id": call_id, "output": result_text(item.get("output"))}
    return item


def _call(item: Item, kind: str) -> Item:
    call = {**item, "type": "function_call", "call_id": item.get("call_id") or item.get("id")}
    if kind == "function_call":
        return call
    given = item.get(_CALLS[kind])
    arguments = given if kind == "mcp_call" else {_CALLS[kind]: given}
    return {**call, "name": item.get("name") or kind.removesuffix("_call"), "arguments": arguments}
