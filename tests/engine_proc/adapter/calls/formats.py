"""One call in the format of each of vLLM's tool parsers, and the tokens that a parser looks for in the vocabulary."""

NAME = "get_weather"
_JSON = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
_XML = "<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>"
_GLM = "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call>"
_INVOKE = '<invoke name="get_weather">\n<parameter name="city">Paris</parameter>\n</invoke>'
_NS = "]<]minimax[>["
_DSML = (
    '<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n'
    "</｜DSML｜invoke>"
)

CALLS = {
    "llama3_json": '{"name": "get_weather", "parameters": {"city": "Paris"}}',
    "llama4_json": '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}',
    "hermes": f"<tool_call>\n{_JSON}\n</tool_call>",
    "qwen3_json": f"<tool_call>\n{_JSON}\n</tool_call>",
    "longcat": f"<longcat_tool_call>{_JSON}</longcat_tool_call>",
    "granite": f"<tool_call>[{_JSON}]",
    "granite4": f"<tool_call>\n{_JSON}\n</tool_call>",
    "granite-20b-fc": f"<function_call> {_JSON}",
    "internlm": '<|action_start|><|plugin|>{"name": "get_weather", "parameters": {"city": "Paris"}}<|action_end|>',
    "jamba": f"<tool_calls>[{_JSON}]</tool_calls>",
    "hunyuan_a13b": f"<tool_calls>[{_JSON}]</tool_calls>",
    "ernie45": f"<tool_call>\n{_JSON}\n</tool_call>\n",
    "xlam": f"[{_JSON}]",
    "phi4_mini_json": f"functools[{_JSON}]",
    "gigachat3": f"<|function_call|>{_JSON}",
    "mistral": f"[TOOL_CALLS] [{_JSON}]",
    "pythonic": '[get_weather(city="Paris")]',
    "llama4_pythonic": '<|python_start|>[get_weather(city="Paris")]<|python_end|>',
    "olmo3": '<function_calls>get_weather(city="Paris")</function_calls>',
    "lfm2": '<|tool_call_start|>[get_weather(city="Paris")]<|tool_call_end|>',
    "deepseek_v3": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
    '{"city": "Paris"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "deepseek_v31": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>"
    '{"city": "Paris"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "deepseek_v32": f"<｜DSML｜function_calls>\n{_DSML}\n</｜DSML｜function_calls>",
    "deepseek_v4": f"<｜DSML｜tool_calls>\n{_DSML}\n</｜DSML｜tool_calls>",
    "deepseek_v41": "<｜DSML｜ calls>\n"
    + _DSML.replace("｜invoke", "｜ invoke").replace("｜parameter", "｜ parameter")
    + "\n</｜DSML｜ calls>",
    "glm45": _GLM,
    "glm47": _GLM,
    "ling3": _GLM,
    "poolside_v1": _GLM,
    "kimi_k2": "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
    '{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>',
    "qwen3_coder": f"<tool_call>\n{_XML}\n</tool_call>",
    "qwen3_xml": f"<tool_call>\n{_XML}\n</tool_call>",
    "step3p5": f"<tool_call>\n{_XML}\n</tool_call>",
    "mimo": "<tool_call>\n<function=get_weather>\n<parameter=city>Paris</parameter>\n</function>\n</tool_call>",
    "seed_oss": f"<seed:tool_call>\n{_XML}\n</seed:tool_call>",
    "minimax_m2": f"<minimax:tool_call>\n{_INVOKE}\n</minimax:tool_call>",
    "minimax_m3": f'{_NS}<tool_call>\n{_NS}<invoke name="get_weather">\n{_NS}<city>Paris{_NS}</city>\n{_NS}</invoke>\n'
    f"{_NS}</tool_call>",
    "dots": f"<dots_function_call>\n{_INVOKE}\n</dots_function_call>",
    "minicpm5": '<function name="get_weather"><param name="city">Paris</param></function>',
    "functiongemma": "<start_function_call>call:get_weather{city:<escape>Paris<escape>}<end_function_call>",
    "gemma4": '<|tool_call>call:get_weather{city:<|"|>Paris<|"|>}<tool_call|>',
    "apertus": '<|tools_prefix|>[{"get_weather": {"city": "Paris"}}]<|tools_suffix|>',
    "hy_v3": "<tool_calls><tool_call>get_weather<tool_sep>\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n"
    "</tool_call></tool_calls>",
    "k2_horizon": "<ifm|tool_calls><ifm|tool_call>get_weather\n<ifm|arg_key>city</ifm|arg_key>"
    "<ifm|arg_value>Paris</ifm|arg_value></ifm|tool_call></ifm|tool_calls>",
    "inkling": "<|message_model|><|content_invoke_tool_json|>"
    '{"name":"get_weather","args":{"city":"Paris"}}<|end_message|>',
    "plamo3": "<|plamo:begin_tool_requests:plamo|><|plamo:begin_tool_request:plamo|>"
    "<|plamo:begin_tool_name:plamo|>get_weather<|plamo:end_tool_name:plamo|>"
    "<|plamo:begin_tool_arguments:plamo|><|plamo:constrain|>json<|plamo:msg|>"
    '{"city": "Paris"}<|plamo:end_tool_arguments:plamo|>'
    "<|plamo:end_tool_request:plamo|><|plamo:end_tool_requests:plamo|>",
    "muse_glimmer": "<|start|>assistant to=get_weather<|message|><atem:function_calls>\n"
    '<atem:invoke name="get_weather">\n'
    '<atem:parameter name="city">Paris</atem:parameter>\n</atem:invoke>\n</atem:function_calls>',
    "step3": "<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜>"
    '<steptml:invoke name="get_weather"><steptml:parameter name="city">Paris</steptml:parameter></steptml:invoke>'
    "<｜tool_call_end｜><｜tool_calls_end｜>",
}
"""By parser: the text of a call of `get_weather` with the city Paris."""

TOKENS = (
    "<tool_call>", "</tool_call>", "<longcat_tool_call>", "</longcat_tool_call>", "<|tool_call|>", "<function_call>",
    "<tool_calls>", "</tool_calls>", "<tool_sep>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>",
    "<|action_start|>", "<|action_end|>", "<|plugin|>", "[TOOL_CALLS]", "<|python_start|>", "<|python_end|>",
    "<|tool_call_start|>", "<|tool_call_end|>", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>",
    "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>", "<|tool_calls_section_begin|>", "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>", "<|tool_calls_section_end|>", "<seed:tool_call>", "</seed:tool_call>",
    "<minimax:tool_call>", "</minimax:tool_call>", "<|tool_call>", "<tool_call|>", "<|tools_prefix|>",
    "<|tools_suffix|>", "<think>", "</think>", "<seed:think>", "</seed:think>", "<｜tool_calls_begin｜>",
    "<｜tool_calls_end｜>", "<｜tool_call_begin｜>", "<｜tool_call_end｜>", "<｜tool_sep｜>", "<response>",
    "</response>",
    "<start_function_call>", "<end_function_call>", "<|message_model|>", "<|content_invoke_tool_json|>",
    "<|end_message|>", "<|content_text|>", "<|content_thinking|>", "<ifm|tool_calls>", "</ifm|tool_calls>",
    "<ifm|tool_call>", "</ifm|tool_call>", "｜DSML｜", "<0x0A>", "<|channel>", "<channel|>", '<|"|>',
    "<|plamo:begin_tool_requests:plamo|>", "<|plamo:end_tool_requests:plamo|>", "<|plamo:begin_tool_request:plamo|>",
    "<|plamo:end_tool_request:plamo|>", "<|plamo:begin_tool_name:plamo|>", "<|plamo:end_tool_name:plamo|>",
    "<|plamo:begin_tool_arguments:plamo|>", "<|plamo:end_tool_arguments:plamo|>", "<|plamo:constrain|>",
    "<|plamo:msg|>",
)  # fmt: skip
"""Tokens that the vocabularies of these parsers' models have."""
