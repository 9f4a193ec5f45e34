"""The engine's settings, from environment variables, which no other module reads. See docs/configuration.md."""

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from environs import Env, validate

from engine_proc.exit_status import EXIT_USAGE
from engine_proc.lock import LOCK_FILE
from schemas.shared.curve import ClientKeys, ServerKeys, read_client_keys, read_server_keys
from schemas.shared.endpoint import DEFAULT_RUN_DIR, PROJECT_ROOT, check_endpoint, default_endpoint
from schemas.shared.log_lines import FORMATS
from schemas.shared.problem import record_problem

DEMO_MODEL = PROJECT_ROOT / "demo_model"
DEMO_ENGINE_ARGS = ["--enforce-eager"]  # compiling the demo model takes longer than it ever saves

LOAD_STALLS = 5
"""A load may show no sign of life for as many times the limit of a step."""
WEB_TIER_SECRETS = ("HEARTH_ADMIN_KEY", "HEARTH_API_KEYS", "HEARTH_API_KEYS_FILE", "HEARTH_DATABASE_URL")
"""Variables of the web tier that the engine must not have: vLLM, and code of the model's, could read them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Values of the HEARTH_* variables of the same names, which docs/configuration.md describes."""

    model: str
    served_names: list[str]
    endpoint: str
    curve_keys: Path | None
    run_dir: Path
    engine_args: list[str]
    max_queue: int
    max_per_key: int
    max_beam_width: int
    drain_seconds: float
    stall_seconds: float
    default_stops: list[str]
    repeat_max_pattern: int
    repeat_min_count: int
    control_tokens_in_text: bool
    log_format: str

    def server_keys(self) -> ServerKeys | None:
        """Read the engine's keys. None: connections are not encrypted. Raises `EndpointError`."""
        return read_server_keys(self.curve_keys) if self.curve_keys else None

    def client_keys(self) -> ClientKeys | None:
        """Read the keys of a client of the engine. None: connections are not encrypted. Raises `EndpointError`."""
        return read_client_keys(self.curve_keys) if self.curve_keys else None

    @property
    def load_stall_seconds(self) -> float:
        """For how long a load may show no sign of life: importing torch keeps Python's lock for seconds."""
        return LOAD_STALLS * self.stall_seconds

    @property
    def lock_file(self) -> Path:
        return self.run_dir / LOCK_FILE

    @property
    def log_file(self) -> Path:
        return self.run_dir / "engine.log"

    def argv(self, extra: list[str]) -> list[str]:
        """Return vLLM's command line. The flags of the settings are first, so that `extra` overrides them."""
        demo = DEMO_ENGINE_ARGS if Path(self.model).resolve() == DEMO_MODEL else []
        names = ["--served-model-name", *self.served_names] if self.served_names else []
        return ["--model", self.model, *names, *demo, *self.engine_args, *extra]

    def environment(self) -> dict[str, str]:
        """Return the environment of a process of the engine, which runs in another directory: paths are absolute."""
        environment = engine_environment() | {"HEARTH_RUN_DIR": str(self.run_dir), "HEARTH_MODEL": self.model}
        if self.curve_keys is not None:
            environment["HEARTH_CURVE_KEYS"] = str(self.curve_keys)
        return environment


def read_settings() -> Settings:
    """Read and check all settings. Raises `EndpointError` or `EnvError`, with a message for the operator."""
    env = Env(prefix="HEARTH_")
    run_dir = Path(env.str("RUN_DIR", "") or DEFAULT_RUN_DIR).absolute()
    curve_keys: Path | None = env.path("CURVE_KEYS", None)
    model = _model(env.str("MODEL", "") or str(DEMO_MODEL))
    names = env.list("SERVED_MODEL_NAME", ["hearth-demo"] if model == str(DEMO_MODEL) else [])
    return Settings(
        model=model,
        served_names=names,
        endpoint=check_endpoint(env.str("ENGINE_ENDPOINT", "") or default_endpoint(run_dir), curve=bool(curve_keys)),
        curve_keys=curve_keys.absolute() if curve_keys else None,
        run_dir=run_dir,
        engine_args=_split(env.str("ENGINE_ARGS", "")),
        max_queue=env.int("MAX_QUEUE", 4096, validate=validate.Range(min=1)),
        max_per_key=env.int("MAX_PER_KEY", 0, validate=validate.Range(min=0)),
        max_beam_width=env.int("MAX_BEAM_WIDTH", 16, validate=validate.Range(min=1)),
        drain_seconds=env.float("DRAIN_SECONDS", 20.0, validate=validate.Range(min=0)),
        stall_seconds=env.float("STALL_SECONDS", 120.0, validate=validate.Range(min=1)),
        default_stops=env.list("DEFAULT_STOPS", ["<|eot_id|>", "<|end_of_text|>"]),
        repeat_max_pattern=env.int("REPEAT_MAX_PATTERN", 32, validate=validate.Range(min=1)),
        repeat_min_count=env.int("REPEAT_MIN_COUNT", 4, validate=validate.Range(min=2)),
        control_tokens_in_text=env.bool("CONTROL_TOKENS_IN_TEXT", False),
        log_format=env.str("LOG_FORMAT", "console", validate=validate.OneOf(FORMATS)),
    )


def engine_environment() -> dict[str, str]:
    """Return the environment for the engine's processes: this process's, without the web tier's secrets."""
    return {name: value for name, value in os.environ.items() if name not in WEB_TIER_SECRETS}


def read_settings_or_exit(*, record: bool = False) -> Settings:
    """Read the settings, or print an error message and exit with status 2.

    `record`: the message is stored as the reason why no engine runs.
    """
    try:
        return read_settings()
    except ValueError as error:
        if record:
            record_problem(Path(os.environ.get("HEARTH_RUN_DIR") or DEFAULT_RUN_DIR), str(error))
        sys.stderr.write(f"engine_proc: {error}\n")
        sys.exit(EXIT_USAGE)


def _model(given: str) -> str:
    """Return a directory as an absolute path, and the name of a hub's model as it is."""
    path = Path(os.path.expanduser(given))  # noqa: PTH111 (pathlib raises where there is no home)
    return str(path.absolute()) if given.startswith((".", "~")) or path.is_dir() else given


def _split(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError as error:
        raise ValueError(f"HEARTH_ENGINE_ARGS: {error}: {arguments}") from error
