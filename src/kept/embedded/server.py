"""What the two embedded servers have in common: start, stop, kill, one supervisor at a time."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from kept.embedded.account import Account, unprivileged_account
from kept.embedded.errors import EmbeddedError
from kept.embedded.launch import spawn
from kept.embedded.lodging import existing_lodging, find_lodging, remove_lodging
from kept.embedded.ports import is_free, remembered_port
from kept.embedded.processes import POLL_S, arguments_of, children_of, send, wait_until_gone

START_S_MAX = 120.0  # after a crash PostgreSQL replays up to max_wal_size (4 GB), Redis its whole log
STOP_S_MAX = 30.0  # a fast shutdown writes one checkpoint; what takes longer is stuck, and recovery is safe
KILL_S_MAX = 10.0  # SIGKILL acts at once, but for a process in an uninterruptible disk wait
PORT_TRIES_MAX = 3  # another process takes a port between our look and the server's bind rarely, thrice never
LOG_BYTES_MAX = 10_000_000  # at a start, a longer log is set aside as .log.1: two files, so 20 MB and one run's lines
LOG_TAIL_LINES = 20  # enough for PostgreSQL's reason with its hints


class EmbeddedServer(ABC):
    """One server process on 127.0.0.1 with its data under `data_dir`.

    While it runs, this process holds a lock on the server's folder; a second supervisor is refused with our pid.
    Whoever gets the lock and still finds a server there knows that its supervisor is dead, and stops it first.
    """

    service: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        self.data_dir = Path(data_dir).absolute()
        self.port = port
        self._port_is_fixed = port is not None
        self._account: Account | None = None
        self._home: Path | None = None
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    # ------------------------------------------------------------------ what each server knows

    @property
    @abstractmethod
    def address(self) -> str:
        """The URL for clients."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the server needs on disk. Only called with the lock held and no server running."""

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """The program and its arguments; `self.port` is chosen by now."""

    @abstractmethod
    def _is_ready(self, pid: int) -> bool:
        """Whether it takes clients' commands now."""

    # ------------------------------------------------------------------ the life of a server

    def start(self) -> str:
        """Start the server unless it runs, wait until it answers, and return its URL. Raises EmbeddedError."""
        if self.pid is not None:
            return self.address
        self._release()  # it died on its own since
        self._account = unprivileged_account()
        try:
            self._home = find_lodging(self.data_dir, self.service, self._account)
            self._acquire()
            self._stop_orphan()
            self._set_long_log_aside()
            self._prepare()
            self._start_on_some_port()
        except OSError as error:
            self.kill()
            raise EmbeddedError(f"{self.service} could not be started: {error}") from error
        except BaseException:  # also on Ctrl-C: no half-started server stays behind
            self.kill()
            raise
        return self.address

    def stop(self) -> None:
        """Shut down in order, or kill after STOP_S_MAX seconds. Does nothing if it is not running."""
        process = self._process
        if process is not None and process.poll() is None:
            send(process.pid, self.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S_MAX)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the server and its children, as a crash would, and wait until they are gone."""
        process = self._process
        if process is not None and process.poll() is None:
            send(process.pid, signal.SIGSTOP)  # so that it forks no more while we count
            children = children_of(process.pid)
            for pid in (process.pid, *children):
                send(pid, signal.SIGKILL)
            process.wait(KILL_S_MAX)
            wait_until_gone(children, timeout_s=KILL_S_MAX)
        self._process = None
        self._release()

    def destroy(self) -> None:
        """Kill the server and delete its data, wherever it lies: for tests and for `make clean`.

        Raises EmbeddedError, and deletes nothing, while another process runs it.
        """
        self.kill()
        self._home = existing_lodging(self.data_dir, self.service)
        if self._home is not None:
            self._acquire()
            self._stop_orphan()
        remove_lodging(self.data_dir, self.service)
        self._release()

    @property
    def pid(self) -> int | None:
        """The server's process id, None if it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """What the server has said."""
        return self.data_dir / f"{self.service}.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    # ------------------------------------------------------------------ starting

    def _start_on_some_port(self) -> None:
        for tries_left in reversed(range(PORT_TRIES_MAX)):
            if not self._port_is_fixed:
                self.port = remembered_port(self.data_dir, self.service)
            log_from = self.log_path.stat().st_size if self.log_path.exists() else 0
            self._process = process = self._spawn(self._command())
            self._write_record(process.pid)
            if self._wait_until_ready(process):
                return
            port_was_taken = process.poll() is not None and not is_free(self.port or 0)
            if self._port_is_fixed or not port_was_taken or not tries_left:
                raise EmbeddedError(self._why_not(process, log_from))

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline_s = time.monotonic() + START_S_MAX
        while process.poll() is None and time.monotonic() < deadline_s:
            if self._is_ready(process.pid):
                return True
            time.sleep(POLL_S)
        return False

    def _why_not(self, process: subprocess.Popen[bytes], log_from: int) -> str:
        code = process.poll()
        what = f"did not answer within {START_S_MAX:.0f} s" if code is None else f"ended with status {code}"
        return f"{self.service} on port {self.port} {what}; its log ({self.log_path}) says:\n{self._tail(log_from)}"

    def _tail(self, log_from: int) -> str:
        with self.log_path.open("rb") as log:
            log.seek(log_from)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:])

    def _spawn(self, command: list[str | Path], stdin: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return spawn(
                command,
                cwd=self.home,  # the caller's may be closed to the server's account
                env=_server_environment(),
                log=log,
                account=self._account,
                death_signal=self.stop_signal,
                stdin=stdin,
            )

    def _run(self, command: list[str | Path], stdin: IO[bytes] | None = None) -> None:
        """Run one of the server's programs to its end. Raises EmbeddedError if it fails."""
        log_from = self.log_path.stat().st_size if self.log_path.exists() else 0
        process = self._spawn(command, stdin)
        try:
            code = process.wait(START_S_MAX)
        except BaseException:
            process.kill()
            raise
        if code != 0:
            raise EmbeddedError(f"{Path(command[0]).name} ended with status {code}:\n{self._tail(log_from)}")

    def _own(self, folder: Path) -> None:
        """Make a folder that belongs to the server's account alone."""
        folder.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(folder, self._account.uid, self._account.gid)

    def _set_long_log_aside(self) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES_MAX:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))

    # ------------------------------------------------------------------ one supervisor at a time

    @property
    def home(self) -> Path:
        """The folder with the server's data; known from the first start on."""
        if self._home is None:
            raise EmbeddedError(f"{self.service} was not started yet")
        return self._home

    def _acquire(self) -> None:
        lock = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if not isinstance(error, BlockingIOError):
                raise
            raise EmbeddedError(
                f"{self.service} in {self.data_dir} is already run by process {self._read_record('supervisor')}: "
                "stop that one first, or choose another folder"
            ) from error
        self._lock = lock

    def _release(self) -> None:
        if self._lock is not None:
            self._record_path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _stop_orphan(self) -> None:
        pid = self._read_record("server")
        if pid and any(Path(part).is_relative_to(self.home) for part in arguments_of(pid)):
            send(pid, self.stop_signal)
            if not wait_until_gone([pid], timeout_s=STOP_S_MAX):
                orphans = [pid, *children_of(pid)]
                for orphan in orphans:
                    send(orphan, signal.SIGKILL)
                wait_until_gone(orphans, timeout_s=KILL_S_MAX)

    @property
    def _record_path(self) -> Path:
        return self.home / "running.json"

    def _write_record(self, server_pid: int) -> None:
        self._record_path.write_text(json.dumps({"supervisor": os.getpid(), "server": server_pid}), encoding="ascii")

    def _read_record(self, who: str) -> int:
        try:
            return int(json.loads(self._record_path.read_text(encoding="ascii"))[who])
        except (FileNotFoundError, ValueError, KeyError):
            return 0  # never written, or cut short: unknown


def _server_environment() -> dict[str, str]:
    """Ours without what would change PostgreSQL's programs behind our back (PGDATA, PGPORT, PGOPTIONS, ...)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
