"""Finding models: folders, the demo, the hub's cache, and downloads from a server that imitates the hub's
endpoints."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import flashmoe.hub
from flashmoe.checkpoints import open_checkpoint
from flashmoe.errors import CheckpointError
from flashmoe.hub import resolve
from flashmoe.verify import verify

from .fixtures import fixture

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves one repository, "owner/name". `log` has every request; `break_after`: bytes of a body after
    which a transfer is cut, `breaks` times."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
        self.files["README.md"] = b"not needed"
        self.files["original/model.safetensors"] = b"not needed"
        self.log: list[str] = []
        self.ranges: list[str] = []
        self.sent = 0
        self.break_after, self.breaks = 0, 0
        self.claim = 0  # size that the metadata claims for the weights, when not 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(False)

    def do_GET(self) -> None:
        self.answer(True)

    def reply(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if not with_body:
            return
        hub = self.server
        if hub.breaks and len(body) > hub.break_after:
            hub.breaks -= 1
            hub.sent += hub.break_after
            self.wfile.write(body[: hub.break_after])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        hub.sent += len(body)
        self.wfile.write(body)

    def answer(self, with_body: bool) -> None:
        hub, path = self.server, urlsplit(self.path).path
        hub.log.append(f"{self.command} {path}")
        if path.startswith("/api/models/gated/"):
            return self.reply(403, b"", {"X-Error-Code": "GatedRepo"}, with_body)
        if path.startswith("/api/models/broken/"):
            return self.reply(500, b"", {}, with_body)
        if path.startswith("/api/models/") and not path.startswith("/api/models/owner/name"):
            return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body)
        if "/tree/" in path:
            return self.reply(
                200, json.dumps([self.entry(name) for name in hub.files]).encode(), {}, with_body
            )
        if path.startswith("/api/models/"):
            if "/revision/" in path and path.rsplit("/", 1)[1] not in ("main", COMMIT, "v1"):
                return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"}, with_body)
            siblings = [{"rfilename": name, "size": self.entry(name)["size"]} for name in hub.files]
            info = {"id": "owner/name", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
            return self.reply(200, json.dumps(info).encode(), {}, with_body)
        name = path.split(f"/resolve/{COMMIT}/", 1)[-1]
        body = hub.files.get(name)
        if body is None:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
        headers = {"ETag": f'"{digest(name, body)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        status, wanted = 200, self.headers.get("Range")
        if wanted and with_body:
            hub.ranges.append(wanted)
            first = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
            status, body = 206, body[first:]
        self.reply(status, body, headers, with_body)

    def entry(self, name: str) -> dict[str, Any]:
        body = self.server.files[name]
        size = self.server.claim if self.server.claim and name == "model.safetensors" else len(body)
        entry: dict[str, Any] = {"type": "file", "path": name, "size": size, "oid": digest(name, body)}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": digest(name, body), "size": size, "pointerSize": 130}
        return entry


def digest(name: str, body: bytes) -> str:
    if name.endswith(".safetensors"):
        return hashlib.sha256(body).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub(fixture("mlx-4bit-g64").folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


# What is written at once is made small; by default it would be more than all of this model.
CODE = """
import sys
import huggingface_hub.constants
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 1000
from flashmoe import hub
from flashmoe.errors import CheckpointError
calls = []
try:
    print(getattr(hub, sys.argv[1])(sys.argv[2], lambda *call: calls.append(call)))
except CheckpointError as error:
    print("error:", error)
print(calls[-1] if calls else "silent")
"""


def run(endpoint: str, home: Path, model: str, call: str = "resolve", **environment: str) -> tuple[str, str]:
    """(what the call returned or the error, the last progress) in a process of its own: the hub's client
    reads its settings when it is imported."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))} | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
        **environment,
    }
    result = subprocess.run(
        [sys.executable, "-c", CODE, call, model],
        capture_output=True,
        text=True,
        env=env,
        check=True,
        timeout=120,
    )
    first, last = result.stdout.rstrip("\n").rsplit("\n", 1)
    return first, last


@pytest.mark.parametrize("of", [flashmoe.open_spec, resolve])
def test_an_empty_name_is_no_model(of: Any) -> None:
    with pytest.raises(flashmoe.UsageError, match="empty"):
        of("")


def test_folder_and_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(str(tmp_path)) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models" / "x").mkdir(parents=True)
    assert resolve("~/models/x") == tmp_path / "models" / "x"
    monkeypatch.chdir(tmp_path)
    assert resolve("models/x") == Path("models/x")
    packaged = Path(flashmoe.hub.__file__).parent / "demo"
    if packaged.is_dir():
        assert resolve("demo") == packaged
    else:
        with pytest.raises(CheckpointError, match="demo"):
            resolve("demo")


@pytest.mark.parametrize(
    "model", ["nothing", "/no/such/folder", "a/b/c", "../x/y", "owner/", "owner/name@", ""]
)
def test_neither_folder_nor_id(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if model:
        with pytest.raises(CheckpointError, match="owner/name"):
            resolve(model)


def test_downloads_what_is_needed_once(hub: Hub, tmp_path: Path) -> None:
    found, progress = run(hub.endpoint, tmp_path, "owner/name")
    folder = Path(found)
    assert open_checkpoint(folder).source == "mlx"
    assert (folder / "tokenizer.json").is_file()
    assert not (folder / "README.md").exists()
    assert not (folder / "original").exists()
    assert progress != "silent"
    report = verify(folder)
    assert report.ok
    assert report.checksums == report.files
    requests = len(hub.log)
    assert run(hub.endpoint, tmp_path, "owner/name") == (found, "silent")
    assert run(hub.endpoint, tmp_path, f"owner/name@{COMMIT}") == (found, "silent")
    assert len(hub.log) == requests  # not one request: the cache had it all
    assert run("http://127.0.0.1:9", tmp_path, "owner/name")[0] == found
    assert run(hub.endpoint, tmp_path, "owner/name", "pull")[0] == found  # asks, and finds nothing new
    assert len(hub.log) > requests


def test_a_missing_file_is_fetched(hub: Hub, tmp_path: Path) -> None:
    folder = Path(run(hub.endpoint, tmp_path, "owner/name@v1")[0])
    (folder / "model.safetensors").resolve().unlink()
    (folder / "model.safetensors").unlink()
    assert "cannot be reached" in run("http://127.0.0.1:9", tmp_path, "owner/name@v1")[0]
    assert Path(run(hub.endpoint, tmp_path, "owner/name@v1")[0]) == folder
    assert verify(folder).ok


def test_a_broken_transfer_goes_on(hub: Hub, tmp_path: Path) -> None:
    hub.break_after, hub.breaks = 100_000, 2
    size = len(hub.files["model.safetensors"])
    assert size > 200_000
    found, _ = run(hub.endpoint, tmp_path, "owner/name")
    assert verify(found).ok
    assert hub.ranges == ["bytes=100000-", "bytes=200000-"]


def test_a_killed_download_never_looks_complete(hub: Hub, tmp_path: Path) -> None:
    hub.break_after, hub.breaks = 100_000, 1000
    code = CODE.replace(
        "calls.append(call)", "calls.append(call) or (call[0] > 150_000 and __import__('os')._exit(9))"
    )
    env = os.environ | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
    killed = subprocess.run(
        [sys.executable, "-c", code, "resolve", "owner/name"], env=env, check=False, timeout=120
    )
    assert killed.returncode == 9
    assert "cannot be reached" in run("http://127.0.0.1:9", tmp_path, "owner/name")[0]
    hub.breaks = 0
    found, _ = run(hub.endpoint, tmp_path, "owner/name")
    assert verify(found).ok


@pytest.mark.parametrize(
    ("model", "pieces"),
    [
        ("nobody/nothing", ["nobody/nothing", "neither a folder nor a model on the hub", "log in"]),
        ("gated/model", ["accept", "https://huggingface.co/gated/model", "hf auth login"]),
        ("owner/name@v9", ["no revision v9"]),
    ],
)
def test_refusals_of_the_hub(hub: Hub, tmp_path: Path, model: str, pieces: list[str]) -> None:
    message, _ = run(hub.endpoint, tmp_path, model)
    assert message.startswith("error:")
    for piece in pieces:
        assert piece in message
    assert "\n" not in message


def test_no_network(tmp_path: Path) -> None:
    message, _ = run("http://127.0.0.1:9", tmp_path, "owner/name")
    assert "cannot be reached" in message
    message, _ = run("http://127.0.0.1:9", tmp_path, "owner/name", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE" in message


def test_no_room(hub: Hub, tmp_path: Path) -> None:
    hub.claim = shutil.disk_usage(tmp_path).free + 10**12
    message, _ = run(hub.endpoint, tmp_path, "owner/name")
    assert "still to be fetched" in message
    assert "HF_HOME" in message
    assert hub.sent < 100_000


def test_not_a_safetensors_model(hub: Hub, tmp_path: Path) -> None:
    del hub.files["model.safetensors"], hub.files["model.safetensors.index.json"]
    message, _ = run(hub.endpoint, tmp_path, "owner/name")
    assert "no safetensors files" in message
