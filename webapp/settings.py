"""The web tier's settings, read from environment variables here and nowhere else. See docs/configuration.md."""

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError, validate

from schemas.shared.curve import ClientKeys, read_client_keys
from schemas.shared.endpoint import DEFAULT_BIND, DEFAULT_RUN_DIR, check_endpoint, default_endpoint
from schemas.shared.limits import MAX_CHOICES
from schemas.shared.log_lines import FORMATS
from webapp.api_keys import ApiKey, digest, parse_keys, read_file

MIB = 1024 * 1024
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]+")
"""A scheme, a host and perhaps a port: what a browser sends as `Origin`, without a slash at its end."""
MAX_PORT = 65535
ABOVE_ZERO = validate.Range(min=0, min_inclusive=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """The web tier's settings. docs/configuration.md describes each variable."""

    bind: str
    workers: int
    run_dir: Path
    endpoint: str
    curve_keys: ClientKeys | None
    engine_spawn: bool
    allowed_hosts: tuple[str, ...]
    cors_origins: tuple[str, ...]
    require_json_type: bool
    api_keys: tuple[ApiKey, ...]
    api_keys_file: Path | None
    admin_key: ApiKey | None
    share_prefix_cache: bool
    strict_model: bool
    strict_fields: bool
    max_choices: int
    max_body_bytes: int
    body_seconds: float
    graceful_seconds: int
    request_seconds: float
    recovery_seconds: float
    database_url: str
    conversation_max_days: float
    conversation_max_mb: float
    conversation_each_mb: float
    jobs_at_once: int
    jobs_per_key: int
    resume_seconds: float
    retention_hours: float
    file_max_mb: float
    files_per_key_mb: float
    file_max_days: float
    batch_at_once: int
    batch_max_lines: int
    log_format: str


def read_settings() -> Settings:
    """Return the settings. Raises `EndpointError` or `EnvError`, both with a message for the operator."""
    env = Env(prefix="HEARTH_")
    run_dir = Path(env.str("RUN_DIR", "") or DEFAULT_RUN_DIR).absolute()
    curve_keys: Path | None = env.path("CURVE_KEYS", None)
    keys_file: Path | None = env.path("API_KEYS_FILE", None)
    return Settings(
        bind=_bind(env.str("BIND", "") or DEFAULT_BIND),
        workers=_workers(),
        run_dir=run_dir,
        endpoint=check_endpoint(env.str("ENGINE_ENDPOINT", "") or default_endpoint(run_dir), curve=bool(curve_keys)),
        curve_keys=read_client_keys(curve_keys) if curve_keys else None,
        engine_spawn=env.bool("ENGINE_SPAWN", True),
        allowed_hosts=_allowed_hosts(env),
        cors_origins=_cors_origins(env),
        require_json_type=env.bool("REQUIRE_JSON_TYPE", True),
        api_keys=parse_keys(env.list("API_KEYS", []) + (read_file(keys_file) if keys_file else [])),
        api_keys_file=keys_file,
        admin_key=_admin_key(env.str("ADMIN_KEY", "")),
        share_prefix_cache=env.bool("SHARE_PREFIX_CACHE", False),
        strict_model=env.bool("STRICT_MODEL", False),
        strict_fields=env.bool("STRICT_FIELDS", False),
        max_choices=env.int("MAX_CHOICES", MAX_CHOICES, validate=validate.Range(min=1)),
        max_body_bytes=env.int("MAX_BODY_BYTES", 16 * MIB, validate=validate.Range(min=1024)),
        body_seconds=env.float("BODY_SECONDS", 30.0, validate=validate.Range(min=0.1)),
        graceful_seconds=env.int("GRACEFUL_SECONDS", 300, validate=validate.Range(min=1)),
        request_seconds=env.float("REQUEST_TIMEOUT", 3600.0, validate=ABOVE_ZERO),
        recovery_seconds=env.float("RECOVERY_SECONDS", 300.0, validate=validate.Range(min=0)),
        database_url=_database_url(env, run_dir),
        conversation_max_days=env.float("CONVERSATION_MAX_DAYS", 30.0, validate=ABOVE_ZERO),
        conversation_max_mb=env.float("CONVERSATION_MAX_MB", 1024.0, validate=ABOVE_ZERO),
        conversation_each_mb=env.float("CONVERSATION_EACH_MB", 4.0, validate=ABOVE_ZERO),
        jobs_at_once=env.int("JOBS_AT_ONCE", 4, validate=validate.Range(min=1)),
        jobs_per_key=env.int("JOBS_PER_KEY", 1000, validate=validate.Range(min=1)),
        resume_seconds=env.float("RESUME_SECONDS", 60.0, validate=ABOVE_ZERO),
        retention_hours=env.float("RETENTION_HOURS", 24.0, validate=ABOVE_ZERO),
        file_max_mb=env.float("FILE_MAX_MB", 200.0, validate=ABOVE_ZERO),
        files_per_key_mb=env.float("FILES_PER_KEY_MB", 2048.0, validate=ABOVE_ZERO),
        file_max_days=env.float("FILE_MAX_DAYS", 30.0, validate=ABOVE_ZERO),
        batch_at_once=env.int("BATCH_AT_ONCE", 8, validate=validate.Range(min=1)),
        batch_max_lines=env.int("BATCH_MAX_LINES", 50_000, validate=validate.Range(min=1)),
        log_format=env.str("LOG_FORMAT", "console", validate=validate.OneOf(FORMATS)),
    )


def _bind(value: str) -> str:
    """Return gunicorn's `bind`. Raises `EnvError` for an address that gunicorn would not refuse in one sentence."""
    for address in value.split(","):
        given = address.strip()
        if given.startswith(("unix:", "fd://")) and given not in ("unix:", "fd://"):
            continue
        host, colon, port = given.removeprefix("tcp://").rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        number = int(port) if port.isascii() and port.isdigit() else -1
        if not colon or not 0 <= number <= MAX_PORT or (":" in host and not bracketed):
            raise EnvError(
                f"HEARTH_BIND: expected host:port with a port of at most {MAX_PORT}, [IPv6]:port or unix:/path, "
                f"not {given!r}"
            )
    return value


def _workers() -> int:
    """Return the number of web workers: gunicorn's own variable, whose default here is one for each core, at most 4."""
    value = os.environ.get("WEB_CONCURRENCY") or str(min(os.cpu_count() or 1, 4))
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise EnvError(f"WEB_CONCURRENCY: expected a number of workers, at least 1, not {value!r}")
    return int(value)


def _admin_key(value: str) -> ApiKey | None:
    return ApiKey("admin", digest(value.strip().encode()), "admin") if value.strip() else None


def host_name(host: str) -> str | None:
    """Return the name or address in `host` (`name`, `name:port`, `[::1]:port`) in lower case; None if malformed."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return None
    return name.rstrip(".") if name else None


def _allowed_hosts(env: Env) -> tuple[str, ...]:
    """Return the host names in lower case, without ports."""
    values: list[str] = env.list("ALLOWED_HOSTS", [])
    given = [host.strip() for host in values]
    names = [host if host == "*" else host_name(host) for host in given if host]
    if None in names or any("/" in host for host in given):
        raise EnvError("HEARTH_ALLOWED_HOSTS: expected host names separated by commas, such as hearth.example.com")
    return tuple(name for name in names if name)


def _cors_origins(env: Env) -> tuple[str, ...]:
    values: list[str] = env.list("CORS_ORIGINS", [])
    origins = tuple(origin.strip().lower() for origin in values if origin.strip())
    for origin in origins:
        if origin not in ("*", "null") and not ORIGIN.fullmatch(origin):
            raise EnvError(f"HEARTH_CORS_ORIGINS: expected * or origins such as https://chat.example.com, not {origin}")
    return origins


def _database_url(env: Env, run_dir: Path) -> str:
    url: str = env.str("DATABASE_URL", "") or f"sqlite:///{run_dir}/conversations.db"
    if url.startswith("sqlite:////"):
        return url
    if not url.startswith(("postgresql://", "postgresql+psycopg://")):
        # The URL is not repeated: it may hold a password.
        raise EnvError("HEARTH_DATABASE_URL: expected sqlite:////absolute/path or postgresql://user@host/name")
    if find_spec("psycopg") is None:
        raise EnvError("HEARTH_DATABASE_URL: PostgreSQL needs a driver: pip install 'psycopg[binary]'")
    return url
