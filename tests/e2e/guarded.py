"""A Hearth with every lock on and every flag set: API keys from a file, CURVE over TCP, adapters, JSON logs, traces.

One engine has all of it, for a load costs more than all of these tests.
"""

from pathlib import Path
from typing import Any

import httpx

from engine_proc.commands.asking import ask
from engine_proc.commands.keys import make_keys
from schemas import wire
from schemas.shared.curve import ClientKeys, read_client_keys
from schemas.shared.endpoint import PROJECT_ROOT
from tests.collector import Collector
from tests.harness import TLS, Hearth, chat_body, free_port

CHAT = "/v1/chat/completions"
ANN, BOB, NAMELESS, NEW = "sk-ann-4f1b", "sk-bob-77c2", "sk-nameless-90aa", "sk-new-3e5d"
KEYS = (f"ann:{ANN}", f"bob:{BOB}", NAMELESS)
FLAGS = [
    "--enable-lora",
    f"--lora-modules=thoughtful={PROJECT_ROOT / 'demo_model/adapter'}",
    "--reasoning-parser=qwen3",
    "--scheduling-policy=priority",
    "--enable-log-requests",
    "--max-num-seqs=1",  # so that the others wait, in some order
]
TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' -}}
    {%- if message.get('reasoning') %}{{ '<think>' + message['reasoning'] + '</think>' }}{% endif -%}
    {{- message['content'] + '<|eot_id|>' -}}
{%- endfor -%}
{%- if reasoning_effort == 'high' %}{{ shout }}{% endif -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- if enable_thinking is defined and not enable_thinking %}<think></think>{% endif -%}
"""


class Guarded(Hearth):
    """And the keys to it. What it is asked without a word of whose key it is, it is asked with bob's."""

    def __init__(self, directory: Path, collector: Collector) -> None:
        assert make_keys(directory / "curve") == 0
        self.curve = read_client_keys(directory / "curve")
        self.keys_file = directory / "api-keys"
        self.write_keys(*KEYS)
        (directory / "template.jinja").write_text(TEMPLATE)
        settings: dict[str, str] = {
            "HEARTH_ENGINE_ENDPOINT": f"tcp://127.0.0.1:{free_port()}",
            "HEARTH_CURVE_KEYS": str(directory / "curve"),
            "HEARTH_API_KEYS_FILE": str(self.keys_file),
            "HEARTH_ENGINE_ARGS": " ".join([*FLAGS, f"--chat-template={directory / 'template.jinja'}"]),
            "HEARTH_STRICT_MODEL": "1",
            "HEARTH_LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",  # milliseconds
        }
        super().__init__(directory / "run", key=BOB, **settings)

    def write_keys(self, *entries: str) -> None:
        self.keys_file.touch(mode=0o600)
        self.keys_file.write_text("\n".join(entries))

    def answer_with(self, key: str | None, path: str = CHAT, **fields: Any) -> httpx.Response:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        body = chat_body("Who are you?", **{"model": "hearth-demo", **fields})
        return httpx.post(self.url + path, json=body, headers=headers, timeout=60, verify=TLS)

    def welcome_with(self, curve: ClientKeys | None, seconds: float = 10.0) -> list[Any] | None:
        return ask(self.endpoint, wire.Hello(major=wire.MAJOR, minor=wire.MINOR), keys=curve, seconds=seconds)

    def logs(self) -> str:
        return "".join(file.read_text() for file in self.run_dir.glob("*.log"))
