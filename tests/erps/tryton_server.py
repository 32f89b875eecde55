"""A real Tryton for tests: trytond from PyPI, on the test process's own PostgreSQL, spoken to over HTTP.

It is installed by requirements/tryton.txt into an environment of its own, and its company (tryton_company.py) is built
there, once; both are kept in .tryton/. From then on a start restores a dump of two megabytes and takes seconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NoReturn

import asyncpg
import pytest

from kept.embedded import free_port
from kept.embedded.launch import spawn
from tests.servers import Servers

_ROOT = Path(__file__).resolve().parents[2]
_HOME = _ROOT / ".tryton"
_BIN = _HOME / "env" / "bin"
_LOCK_FILE = _ROOT / "requirements" / "tryton.txt"
_COMPANY = Path(__file__).with_name("tryton_company.py")
_INSTALL_S = 600  # half a minute where the packages are near
_BUILD_S = 900  # 200 tables and what is in them: a minute on an idle core
_START_S = 60  # two seconds on an idle core
_LOOK_EVERY_S = 0.02

# One server for all its tests; and what it takes to install it is no fault of the test that came first.
TRYTON = [pytest.mark.xdist_group("tryton"), pytest.mark.timeout(300, func_only=True)]
USER, PASSWORD, SHOP = "kept", "kept-in-tryton-8.2", "Kept"
_CONFIGURATION = """
[database]
uri = {server}
[web]
listen = 127.0.0.1:{port}
[session]
max_age = 86400
"""


class TrytonServer:
    """One trytond with a database of its own. `url` is what kept.toml calls base_url."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self._servers = servers
        self._folder = folder
        self._port = free_port()
        self.database = f"tryton_{secrets.token_hex(4)}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/{self.database}"

    def create(self) -> None:
        """Install, build and restore what is not there yet, then start. Skips the test where that can't be done."""
        dump = company_dump(self._servers)
        self._servers.administer(f"CREATE DATABASE {self.database}")
        self._servers.run("pg_restore", "--no-owner", f"--dbname={self._servers.dsn_of(self.database)}", str(dump))
        server = self._servers.dsn_of("")
        (self._folder / "trytond.conf").write_text(_CONFIGURATION.format(server=server, port=self._port), "utf-8")
        self.start()

    def start(self) -> None:
        """Start it, again on the same port after a `kill`, and wait until it takes connections."""
        with (self._folder / "trytond.log").open("ab") as log:
            self._process = spawn(
                [_BIN / "trytond", "-c", self._folder / "trytond.conf", "-d", self.database],
                cwd=self._folder,
                env=_environment(),
                log=log,
                account=None,
                death_signal=signal.SIGKILL,
            )
        deadline_s = time.monotonic() + _START_S
        while not _is_open(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                text = (self._folder / "trytond.log").read_text("utf-8", "replace")
                raise RuntimeError(f"trytond did not start: {text[-3000:]}")
            time.sleep(_LOOK_EVERY_S)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    async def execute(self, sql: str, *arguments: object) -> None:
        """Change something behind Tryton's back."""
        connection = await asyncpg.connect(self._servers.dsn_of(self.database))
        try:
            await connection.execute(sql, *arguments)
        finally:
            await connection.close()

    def destroy(self) -> None:
        """End it and delete its database."""
        self.kill()
        self._servers.administer(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")


def company_dump(servers: Servers) -> Path:
    """The dump of the company's database, built first where it is not there, or is another year's or version's."""
    with _alone("install"):
        _install()
    of = hashlib.sha256(_LOCK_FILE.read_bytes() + _COMPANY.read_bytes() + str(date.today().year).encode())
    dump = _HOME / f"company-{of.hexdigest()[:16]}.dump"
    with _alone("build"):
        if not dump.exists():
            for old in _HOME.glob("company-*"):
                old.unlink()
            _build(servers, dump)
    return dump


def _install() -> None:
    stamp = _HOME / "installed-sha256"
    lock = hashlib.sha256(_LOCK_FILE.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text("utf-8") == lock:
        return
    shutil.rmtree(_BIN.parent, ignore_errors=True)
    pip: list[str | Path] = [
        _BIN / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "-q",
        "--root-user-action=ignore",
    ]
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", _BIN.parent],
        [*pip, "--require-hashes", "-r", _LOCK_FILE],
    ]
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
        except subprocess.TimeoutExpired as exc:
            _unavailable(f"trytond can't be installed: {exc}")
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            _unavailable(f"trytond can't be installed: {Path(command[0]).name} ended with {done.returncode}: {last}")
    stamp.write_text(lock, "utf-8")


def _unavailable(reason: str) -> NoReturn:
    """A reason to skip on a developer's machine, and to fail where everything has to run."""
    if os.environ.get("KEPT_NO_SKIPS"):
        pytest.fail(reason)
    pytest.skip(reason)


def _build(servers: Servers, dump: Path) -> None:
    database = f"tryton_building_{secrets.token_hex(4)}"
    servers.administer(f"CREATE DATABASE {database}")
    try:
        done = subprocess.run(
            [_BIN / "python", _COMPANY, USER, PASSWORD, SHOP],
            env=_environment() | {"TRYTOND_DATABASE_URI": servers.dsn_of(database)},
            capture_output=True,
            text=True,
            timeout=_BUILD_S,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"Tryton's company can't be built: {done.stderr[-3000:]}")
        half = dump.with_suffix(".half")
        servers.run("pg_dump", "--format=custom", f"--file={half}", servers.dsn_of(database))
        half.rename(dump)
    finally:
        servers.administer(f"DROP DATABASE {database} WITH (FORCE)")


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """Test processes side by side do it once."""
    _HOME.mkdir(exist_ok=True)
    with (_HOME / f"{what}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "TRYTON", "PYTHON"))}


def _is_open(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
