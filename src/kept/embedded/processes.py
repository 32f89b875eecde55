"""What Linux says in /proc about processes that may not be our children. Elsewhere: nothing is known."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
POLL_S = 0.02  # short against a start (0.1 s and more), long against the cost of one look


def is_running(pid: int) -> bool:
    """Whether the process lives. A zombie does not: only its parent's neglect keeps its number."""
    return _state_and_parent(pid)[0] not in ("", "Z", "X")


def arguments_of(pid: int) -> list[str]:
    """The process's command line; empty if it is gone or unknown.

    Unlike its working directory, root may read it in a container too, where it may not trace other accounts.
    """
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def children_of(pid: int) -> list[int]:
    """The living children of a process, direct ones only (both servers' children have none of their own)."""
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()) if _PROC.is_dir() else iter(())
    return [child for child in pids if _state_and_parent(child)[1] == pid]


def send(pid: int, what: signal.Signals) -> None:
    """Signal a process; nothing happens if it is gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, what)


def wait_until_gone(pids: Collection[int], *, timeout_s: float) -> bool:
    """Wait until none of the processes runs any more; False if some still do after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while any(map(is_running, pids)):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(POLL_S)
    return True


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    state, parent = text.rpartition(")")[2].split()[:2]  # the name before it may hold spaces and parentheses
    return state, int(parent)
