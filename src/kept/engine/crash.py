"""Named points where a fault test can kill the process.

`KEPT_CRASH_POINT=settle.after_commit:3` kills the process with SIGKILL the third time that it reaches
that point. Without the variable a point costs one comparison.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "inbox.before_commit",
    "inbox.after_commit",
    "ring.before",
    "ring.after",
    "intent.before_commit",
    "intent.after_commit",
    "effect.before_call",
    "effect.after_call",
    "settle.before_commit",
    "settle.after_commit",
    "ack.before",
    "ack.after",
)

_armed, _, _count = os.environ.get("KEPT_CRASH_POINT", "").partition(":")
_left = int(_count or "1")


def reach(point: str) -> None:
    """Die here if this is the armed point and its time has come."""
    global _left  # noqa: PLW0603 - one process, one countdown
    if point != _armed:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
