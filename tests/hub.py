"""A hub of one model: what huggingface_hub asks of one, over HTTP, with the demo model in two files."""

import hashlib
import json
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from flask import Flask, Response, abort, request, send_file
from safetensors.torch import load_file, save_file
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from schemas.shared.endpoint import PROJECT_ROOT

NAME = "team/demo"
COMMIT = "c0ffee" + 34 * "0"
DEMO = PROJECT_ROOT / "demo_model"
SMALL = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
LAST = "model-00002-of-00002.safetensors"
SECONDS = 120


class Hub:
    """The weights' second file waits until `released` is set."""

    def __init__(self, directory: Path) -> None:
        self.released = threading.Event()
        self._directory = directory
        split(directory)
        app = Flask(__name__)
        app.register_error_handler(404, not_found)
        model = "/api/models/<org>/<name>"
        app.add_url_rule(model, view_func=self.info)
        app.add_url_rule(f"{model}/revision/<revision>", view_func=self.info)
        app.add_url_rule(f"{model}/tree/<revision>", view_func=self.tree)
        app.add_url_rule("/<org>/<name>/resolve/<revision>/<file>", view_func=self.file)
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def info(self, org: str, name: str, revision: str = "main") -> dict[str, Any]:
        self._check(org, name)
        files = [{"rfilename": path.name} for path in self._files()]
        return {"id": NAME, "sha": COMMIT, "siblings": files, "tags": [], "private": False, "downloads": 0, "likes": 0}

    def tree(self, org: str, name: str, revision: str) -> list[dict[str, Any]]:
        self._check(org, name)
        return [
            {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": tag(path)} for path in self._files()
        ]

    def file(self, org: str, name: str, revision: str, file: str) -> Response:
        self._check(org, name)
        path = self._directory / file
        if not path.exists():
            abort(404, "EntryNotFound")
        if request.method == "GET" and request.range is None and file == LAST:
            self.released.wait(SECONDS)
        response = send_file(path, etag=tag(path), conditional=True)
        response.headers["X-Repo-Commit"] = COMMIT
        return response

    def __enter__(self) -> "Hub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def _files(self) -> list[Path]:
        return sorted(self._directory.iterdir())

    @staticmethod
    def _check(org: str, name: str) -> None:
        if f"{org}/{name}" != NAME:
            abort(404, "RepoNotFound")


def not_found(error: HTTPException) -> Response:
    return Response(status=404, headers={"X-Error-Code": str(error.description), "X-Error-Message": "not found"})


def tag(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def split(directory: Path) -> None:
    """The demo model into `directory`, its weights halved."""
    for name in SMALL:
        (directory / name).write_bytes((DEMO / name).read_bytes())
    weights = load_file(DEMO / "model.safetensors")
    half = len(weights) // 2
    places: dict[str, str] = {}
    for number, names in enumerate((list(weights)[:half], list(weights)[half:]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: weights[name] for name in names}, directory / file, {"format": "pt"})
        places |= dict.fromkeys(names, file)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
