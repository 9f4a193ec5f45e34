"""Settings: what each variable means, its default, and what is refused at the start."""

import os
from pathlib import Path
from typing import Any

import pytest
from environs import EnvError

from schemas.shared.endpoint import DEFAULT_RUN_DIR, EndpointError
from webapp.api_keys import ApiKey, digest, parse_keys
from webapp.settings import read_settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HEARTH_")]:
        monkeypatch.delenv(name)


def with_env(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Any:
    for name, value in variables.items():
        monkeypatch.setenv(f"HEARTH_{name}", value)
    return read_settings()


@pytest.mark.parametrize(
    ("setting", "default"),
    [
        ("bind", "127.0.0.1:6006"),
        ("run_dir", DEFAULT_RUN_DIR),
        ("endpoint", f"ipc://{DEFAULT_RUN_DIR}/engine.sock"),
        ("engine_spawn", True),
        ("allowed_hosts", ()),
        ("cors_origins", ()),
        ("require_json_type", True),
        ("api_keys", ()),
        ("api_keys_file", None),
        ("share_prefix_cache", False),
        ("strict_model", False),
        ("strict_fields", False),
        ("max_body_bytes", 16 * 1024 * 1024),
        ("body_seconds", 30.0),
        ("graceful_seconds", 300),
        ("database_url", f"sqlite:///{DEFAULT_RUN_DIR}/conversations.db"),
        ("conversation_max_days", 30.0),
        ("conversation_max_mb", 1024.0),
        ("conversation_each_mb", 4.0),
        ("jobs_at_once", 4),
        ("jobs_per_key", 1000),
        ("resume_seconds", 60.0),
        ("retention_hours", 24.0),
    ],
)
def test_nothing_set_means_the_default(monkeypatch: pytest.MonkeyPatch, setting: str, default: Any) -> None:
    # A check-out under a long path has no usable default endpoint; that is not what this test is about.
    monkeypatch.setattr("schemas.shared.endpoint._SUN_PATH_MAX", 4096)

    assert getattr(read_settings(), setting) == default


@pytest.mark.parametrize(
    ("variable", "value", "setting", "meaning"),
    [
        ("BIND", "unix:/run/hearth.sock", "bind", "unix:/run/hearth.sock"),
        ("BIND", "0.0.0.0:80, [::1]:6006,unix:/x", "bind", "0.0.0.0:80, [::1]:6006,unix:/x"),
        ("BIND", "", "bind", "127.0.0.1:6006"),
        ("BIND", "fd://3", "bind", "fd://3"),
        ("RUN_DIR", "/run/hearth", "run_dir", Path("/run/hearth")),
        ("RUN_DIR", "/run/hearth", "endpoint", "ipc:///run/hearth/engine.sock"),
        ("RUN_DIR", "run", "run_dir", Path.cwd() / "run"),
        ("ENGINE_ENDPOINT", "tcp://127.0.0.1:5555", "endpoint", "tcp://127.0.0.1:5555"),
        ("ENGINE_SPAWN", "0", "engine_spawn", False),
        ("STRICT_MODEL", "1", "strict_model", True),
        ("STRICT_FIELDS", "true", "strict_fields", True),
        ("MAX_CHOICES", "16", "max_choices", 16),
        ("MAX_BODY_BYTES", "1024", "max_body_bytes", 1024),
        ("BODY_SECONDS", "0.5", "body_seconds", 0.5),
        ("GRACEFUL_SECONDS", "1", "graceful_seconds", 1),
        ("REQUEST_TIMEOUT", "0.5", "request_seconds", 0.5),
        ("RECOVERY_SECONDS", "0", "recovery_seconds", 0.0),
        ("RUN_DIR", "/run/hearth", "database_url", "sqlite:////run/hearth/conversations.db"),
        ("DATABASE_URL", "sqlite:////var/x.db", "database_url", "sqlite:////var/x.db"),
        ("DATABASE_URL", "postgresql://u:p@db/x", "database_url", "postgresql://u:p@db/x"),
        ("CONVERSATION_MAX_DAYS", "0.5", "conversation_max_days", 0.5),
        ("CONVERSATION_MAX_MB", "10", "conversation_max_mb", 10.0),
        ("CONVERSATION_EACH_MB", "1", "conversation_each_mb", 1.0),
        ("JOBS_AT_ONCE", "1", "jobs_at_once", 1),
        ("JOBS_PER_KEY", "5", "jobs_per_key", 5),
        ("RESUME_SECONDS", "0.5", "resume_seconds", 0.5),
        ("RETENTION_HOURS", "0.1", "retention_hours", 0.1),
        ("API_KEYS", "sk-one, ann:sk-two ,", "api_keys", parse_keys(["sk-one", "ann:sk-two"])),
        (
            "ALLOWED_HOSTS",
            "Hearth.Example:80, b.example., [::1]",
            "allowed_hosts",
            ("hearth.example", "b.example", "::1"),
        ),
        ("ALLOWED_HOSTS", "*", "allowed_hosts", ("*",)),
        ("ALLOWED_HOSTS", "", "allowed_hosts", ()),
        (
            "CORS_ORIGINS",
            "https://Chat.example, http://a:3000",
            "cors_origins",
            ("https://chat.example", "http://a:3000"),
        ),
        ("CORS_ORIGINS", "*", "cors_origins", ("*",)),
        ("CORS_ORIGINS", "null,vscode-webview://x1", "cors_origins", ("null", "vscode-webview://x1")),
        ("REQUIRE_JSON_TYPE", "0", "require_json_type", False),
        ("SHARE_PREFIX_CACHE", "1", "share_prefix_cache", True),
        ("API_KEYS", "", "api_keys", ()),
        ("ADMIN_KEY", " root ", "admin_key", ApiKey("admin", digest(b"root"), "admin")),
        ("ADMIN_KEY", " ", "admin_key", None),
    ],
)
def test_each_variable_is_read(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, setting: str, meaning: Any
) -> None:
    monkeypatch.setattr("schemas.shared.endpoint._SUN_PATH_MAX", 4096)

    assert getattr(with_env(monkeypatch, **{variable: value}), setting) == meaning


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BIND", "127.0.0.1:99999"),
        ("BIND", "127.0.0.1"),
        ("BIND", "127.0.0.1:port"),
        ("BIND", "127.0.0.1:6006,"),
        ("BIND", "::1:6006"),
        ("BIND", "unix:"),
        ("ENGINE_SPAWN", "perhaps"),
        ("STRICT_MODEL", "2"),
        ("MAX_BODY_BYTES", "1023"),
        ("MAX_BODY_BYTES", "16M"),
        ("BODY_SECONDS", "0"),
        ("BODY_SECONDS", "soon"),
        ("GRACEFUL_SECONDS", "0"),
        ("REQUEST_TIMEOUT", "0"),
        ("RECOVERY_SECONDS", "-1"),
        ("GRACEFUL_SECONDS", "1.5"),
        ("DATABASE_URL", "mysql://u:secret@db/x"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///relative.db"),
        ("CONVERSATION_MAX_DAYS", "0"),
        ("CONVERSATION_MAX_MB", "-1"),
        ("CONVERSATION_EACH_MB", "much"),
        ("JOBS_AT_ONCE", "0"),
        ("JOBS_PER_KEY", "0"),
        ("RESUME_SECONDS", "0"),
        ("RETENTION_HOURS", "-1"),
        ("ALLOWED_HOSTS", "https://hearth.example"),
        ("ALLOWED_HOSTS", "a.example,[::1"),
        ("CORS_ORIGINS", "chat.example"),
        ("CORS_ORIGINS", "https://chat.example/"),
        ("CORS_ORIGINS", "https://a.example https://b.example"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv("HEARTH_RUN_DIR", "/run/hearth")

    with pytest.raises(EnvError, match=f"HEARTH_{variable}"):
        with_env(monkeypatch, **{variable: value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ENGINE_ENDPOINT", "tcp://0.0.0.0:5555"), ("ENGINE_ENDPOINT", "engine.sock"), ("RUN_DIR", "/" + "a" * 107)],
    ids=["open", "no scheme", "too long"],
)
def test_an_endpoint_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    with pytest.raises(EndpointError):
        with_env(monkeypatch, **{variable: value})


@pytest.mark.parametrize("value", ["abc", "0", "-1", "2.5", "٣"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    with pytest.raises(EnvError, match="WEB_CONCURRENCY"):
        with_env(monkeypatch, RUN_DIR="/run/hearth")


def test_the_number_of_workers_is_gunicorns_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    assert with_env(monkeypatch, RUN_DIR="/run/hearth").workers == 3
    monkeypatch.setenv("WEB_CONCURRENCY", "")
    assert 1 <= with_env(monkeypatch, RUN_DIR="/run/hearth").workers <= 4


def test_keys_come_from_the_variable_and_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# of the staff\nsk-two\n\n  sk-three  \n#sk-four\n")
    settings = with_env(monkeypatch, RUN_DIR="/run/hearth", API_KEYS="sk-one", API_KEYS_FILE=str(file))

    assert settings.api_keys == parse_keys(["sk-one", "sk-two", "sk-three"])
    assert settings.api_keys_file == file


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), (b"# none\n\n", "no key"), (b"sk-\xff", "UTF-8")], ids=str
)
def test_a_file_without_keys_does_not_open_the_door(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(EnvError, match=why):
        with_env(monkeypatch, RUN_DIR="/run/hearth", API_KEYS_FILE=str(file))


@pytest.mark.parametrize("entry", ["ann:", "a b:sk-secret", f"{'a' * 49}:sk-secret"])
def test_an_entry_that_is_no_key_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    with pytest.raises(EnvError, match="entry 2") as caught:
        with_env(monkeypatch, RUN_DIR="/run/hearth", API_KEYS=f"sk-one,{entry}")
    assert "secret" not in str(caught.value)


def test_settings_do_not_show_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = with_env(monkeypatch, RUN_DIR="/run/hearth", API_KEYS="ann:sk-secret,sk-secret")
    assert "secret" not in repr(settings)


def test_a_password_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvError) as caught:
        with_env(monkeypatch, RUN_DIR="/run/hearth", DATABASE_URL="mysql://u:secret@db/x")
    assert "secret" not in str(caught.value)


def test_postgresql_needs_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.settings.find_spec", lambda name: None)
    with pytest.raises(EnvError, match="psycopg"):
        with_env(monkeypatch, RUN_DIR="/run/hearth", DATABASE_URL="postgresql://u@db/x")
