"""Prism (npm, @stoplight/prism-cli) as judge: a proxy that holds every request and answer against a vendor's model.

It is installed by package.json and its lock file with `npm ci`, once; from then on no network is needed. With
`--errors` it answers 422 to a wrong request and 500 to a wrong answer, with what is wrong as problem details.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from kept.embedded import free_port

_FOLDER = Path(__file__).resolve().parent
_MODULES = _FOLDER / "node_modules"
_STAMP = _MODULES / ".kept-lock-sha256"
_INSTALL_S = 180  # 185 packages, 90 MB
_START_S = 60  # three seconds on an idle core


def prism_command() -> list[str]:
    """How to start Prism, installing it first where it is not there; skips the test where that can't be done."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Prism, the judge, needs node and npm, which are not installed")
    lock = hashlib.sha256((_FOLDER / "package-lock.json").read_bytes()).hexdigest()
    with (_FOLDER / ".install.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # test processes side by side install once
        if not _STAMP.exists() or _STAMP.read_text(encoding="utf-8") != lock:
            done = subprocess.run(
                ["npm", "ci"], cwd=_FOLDER, capture_output=True, text=True, timeout=_INSTALL_S, check=False
            )
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                pytest.skip(f"Prism, the judge, can't be installed: npm ci ended with {done.returncode}: {last}")
            _STAMP.write_text(lock, encoding="utf-8")
    return ["node", str(_MODULES / "@stoplight" / "prism-cli" / "dist" / "index.js")]


@dataclass(frozen=True, slots=True)
class Route:
    prefix: str
    port: int


class Judged(httpx2.AsyncBaseTransport):
    """Leads each call of an API to the judge of its path, and what goes to other hosts to `past`."""

    def __init__(self, host: str, routes: tuple[Route, ...], past: httpx2.AsyncBaseTransport) -> None:
        self._host = host
        self._routes = routes
        self._past = past
        self._network = httpx2.AsyncHTTPTransport()
        self.calls = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host != self._host:
            return await self._past.handle_async_request(request)
        path = request.url.path
        port = next(route.port for route in self._routes if path.startswith(route.prefix))
        self.calls += 1
        request.url = request.url.copy_with(host="127.0.0.1", port=port)
        request.headers["host"] = f"127.0.0.1:{port}"
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()


@contextlib.contextmanager
def judging(models: Mapping[str, Path], upstream: str) -> Iterator[tuple[Route, ...]]:
    """Proxies to `upstream`, one for each model: path prefix -> the model's file."""
    command = prism_command()
    processes: list[subprocess.Popen[str]] = []
    routes: list[Route] = []
    try:
        for prefix, model in models.items():
            port = free_port()
            arguments = ["proxy", str(model), upstream, "--errors", "--host", "127.0.0.1", "--port", str(port)]
            processes.append(
                subprocess.Popen(
                    [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=_FOLDER
                )
            )
            routes.append(Route(prefix, port))
        for process in processes:
            _await_start(process)
        yield tuple(routes)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=10)
            assert process.stdout is not None
            process.stdout.close()


def _await_start(process: subprocess.Popen[str]) -> None:
    """Read what Prism prints until it listens, and after that for as long as it lives: a full pipe would stop it."""
    assert process.stdout is not None
    output = process.stdout
    listening = threading.Event()
    printed: list[str] = []

    def read() -> None:
        with contextlib.suppress(ValueError):  # closed at the end
            for line in output:
                printed.append(line)
                if "is listening" in line:
                    listening.set()

    threading.Thread(target=read, daemon=True).start()
    if not listening.wait(_START_S):
        raise TimeoutError(f"Prism did not start within {_START_S} s: {''.join(printed)[-2000:]}")


@contextlib.contextmanager
def serving(transport: httpx2.MockTransport) -> Iterator[str]:
    """A stand-in over HTTP on loopback; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            url = f"http://{self.headers['host']}{self.path}"
            request = httpx2.Request(self.command, url, headers=dict(self.headers.items()), content=body)
            response = transport.handle_request(request)
            content = response.read()
            self.send_response(response.status_code)
            for name, value in response.headers.items():
                if name not in {"content-length", "transfer-encoding"}:
                    self.send_header(name, value)
            if response.status_code != 204:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what passes is asserted, not printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
