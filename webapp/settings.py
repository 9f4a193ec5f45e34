"""The web tier's settings: environment variables, read here and nowhere else. See docs/configuration.md."""

from dataclasses import dataclass
from pathlib import Path

from environs import Env, validate

from schemas.endpoint import DEFAULT_RUN_DIR, check_endpoint, default_endpoint

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    bind: str
    run_dir: Path
    endpoint: str
    engine_spawn: bool
    api_keys: tuple[str, ...]
    strict_model: bool
    strict_fields: bool
    max_body_bytes: int
    body_seconds: float
    graceful_seconds: int


def read_settings() -> Settings:
    """Raises `EndpointError` or `EnvError`, both with a sentence for the operator."""
    env = Env(prefix="HEARTH_")
    run_dir: Path = env.path("RUN_DIR", DEFAULT_RUN_DIR).absolute()
    return Settings(
        bind=env.str("BIND", "127.0.0.1:6006"),
        run_dir=run_dir,
        endpoint=check_endpoint(env.str("ENGINE_ENDPOINT", "") or default_endpoint(run_dir)),
        engine_spawn=env.bool("ENGINE_SPAWN", True),
        api_keys=_api_keys(env),
        strict_model=env.bool("STRICT_MODEL", False),
        strict_fields=env.bool("STRICT_FIELDS", False),
        max_body_bytes=env.int("MAX_BODY_BYTES", 16 * MIB, validate=validate.Range(min=1024)),
        body_seconds=env.float("BODY_SECONDS", 30.0, validate=validate.Range(min=0.1)),
        graceful_seconds=env.int("GRACEFUL_SECONDS", 300, validate=validate.Range(min=1)),
    )


def _api_keys(env: Env) -> tuple[str, ...]:
    """From HEARTH_API_KEYS (comma-separated) and HEARTH_API_KEYS_FILE (one a line, # begins a comment)."""
    keys: list[str] = env.list("API_KEYS", [])
    file: str = env.str("API_KEYS_FILE", "")
    if file:
        lines = (line.strip() for line in Path(file).read_text().splitlines())
        keys += [line for line in lines if line and not line.startswith("#")]
    return tuple(key.strip() for key in keys if key.strip())
