"""Starts Kept's processes on one machine, starts them again when they die, and stops them all.

Every child dies with its supervisor, however that ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger("kept.supervisor")

# A child that dies at once would otherwise be started thousands of times.
_RESTART_AFTER_S = 1.0
# Workers drain for 6 s; everything must be gone within 10.
_STOP_WITHIN_S = 8.0
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """A process that should run."""

    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0


@dataclass(slots=True)
class Supervisor:
    """The processes of one machine. Logs go to `logs`/NAME.log, JSON lines."""

    environment: Mapping[str, str]
    logs: Path
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, *arguments: str) -> Child:
        """Start `kept ARGUMENTS` as a child."""
        child = Child(name, arguments)
        self.children.append(child)
        self._spawn(child)
        return child

    def _spawn(self, child: Child) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{child.name}.log").open("ab") as output:
            child.process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
                [sys.executable, "-m", "kept", *child.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                # Out of the terminal's group: Ctrl-C reaches the supervisor alone, which stops them in order.
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the supervisor has no threads
            )
        child.started_at = time.monotonic()

    def tend(self) -> list[str]:
        """Start again what has died; the names of those. Call it about once a second."""
        revived = []
        for child in self.children:
            if child.process is None or child.process.poll() is None:
                continue
            if time.monotonic() - child.started_at < _RESTART_AFTER_S:
                continue
            log.warning("child.died", child=child.name, code=child.process.returncode)
            child.restarts += 1
            self._spawn(child)
            revived.append(child.name)
        return revived

    def stop(self, names: Sequence[str] | None = None) -> None:
        """Stop these children, or all: SIGTERM, then SIGKILL for those that do not end in time."""
        chosen = [child for child in self.children if names is None or child.name in names]
        running = [child.process for child in chosen if child.process is not None and child.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_WITHIN_S
        for process in running:
            try:
                process.wait(max(0.05, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in chosen:
            self.children.remove(child)


def _die_with_parent() -> None:
    """Linux: the kernel sends SIGTERM to this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
