"""`kept` with everything that it starts, as one process tree that a test can watch end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from kept.embedded import free_port


class Kept:
    """A running `kept` and everything that it has started so far."""

    def __init__(self, process: asyncio.subprocess.Process, home: Path, port: int) -> None:
        self.process = process
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self._seen: set[psutil.Process] = set()

    def look(self) -> set[psutil.Process]:
        """Its children now; all that were ever seen are remembered."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._seen.update(psutil.Process(self.process.pid).children(recursive=True))
        return self._seen

    def left_over(self) -> list[str]:
        """What still runs of it, or for its folder, now that it has ended."""
        known = [process for process in self._seen if process.is_running() and _alive(process)]
        return [_described(process) for process in {*known, *_of_folder(self.home)}]

    async def ended(self, within_s: float) -> tuple[int, str, str]:
        """Exit code, stdout and stderr. Raises TimeoutError."""
        communicating = asyncio.create_task(self.process.communicate())
        async with asyncio.timeout(within_s):
            while not communicating.done():
                self.look()
                await asyncio.wait([communicating], timeout=0.25)
        out, err = communicating.result()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.look()
        self.process.send_signal(signal.SIGINT)


@contextlib.asynccontextmanager
async def kept(home: Path, *arguments: str, port: int = 0) -> AsyncIterator[Kept]:
    """`kept ARGUMENTS` with its own servers in `home`; killed at the end if it still runs."""
    port = port or free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEPT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kept",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**inherited, "KEPT_HOME": str(home), "KEPT_PORT": str(port), "KEPT_WORKERS": "1"},
    )
    running = Kept(process, home, port)
    try:
        yield running
    finally:
        if process.returncode is None:
            running.look()
            process.kill()
            await process.communicate()
        for child in running.look():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def _of_folder(home: Path) -> list[psutil.Process]:
    """Processes that name the folder in their arguments or environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            named = any(str(home) in part for part in process.cmdline())
            if (named or process.environ().get("KEPT_HOME", "").startswith(str(home))) and _alive(process):
                found.append(process)
    return found


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _described(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())}"
    except psutil.NoSuchProcess:
        return f"{process.pid} (gone by now)"
