"""gunicorn.conf.py: which process has which of the operator's secrets."""

import json
import os
import subprocess
import sys
from pathlib import Path

from schemas.shared.endpoint import PROJECT_ROOT

SCRIPT = """
import json, os, runpy, subprocess
from types import SimpleNamespace

conf = runpy.run_path("gunicorn.conf.py")
engine = {}
subprocess.Popen = lambda command, **options: engine.update(options["env"])
conf["_find_or_start_engine"]()
conf["post_fork"](SimpleNamespace(served=False), SimpleNamespace())
print(json.dumps([list(engine), list(os.environ)]))
"""
WEB_TIER = {"HEARTH_API_KEYS": "sk-1", "HEARTH_API_KEYS_FILE": "", "HEARTH_DATABASE_URL": "sqlite:////tmp/x.db"}
ENGINE = {"HF_TOKEN": "hf_1", "HUGGING_FACE_HUB_TOKEN": "hf_2"}


def test_each_tier_has_its_own_secrets_alone(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("sk-2")
    keys.chmod(0o600)
    environment = {
        **os.environ,
        **WEB_TIER,
        **ENGINE,
        "HEARTH_RUN_DIR": str(tmp_path),
        "HEARTH_API_KEYS_FILE": str(keys),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=PROJECT_ROOT, env=environment, capture_output=True, timeout=60, check=True
    )
    engine, worker = map(set, json.loads(done.stdout))
    assert engine & (set(WEB_TIER) | set(ENGINE)) == set(ENGINE)
    assert worker & (set(WEB_TIER) | set(ENGINE)) == set(WEB_TIER)
    assert "HEARTH_RUN_DIR" in engine & worker
