"""Start a child process that cannot outlive us, as another account if need be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

from kept.embedded.account import Account

# A launcher rather than a preexec_fn: code between fork and exec may deadlock when other threads run.
# The order matters: setuid clears the death signal, so the drop comes first; and a parent that died before
# prctl would never be noticed, so that is asked last. Python ignores SIGPIPE, which the server must not inherit.
_LAUNCHER = """
import ctypes, os, signal, sys
parent, uid, gid, death_signal = map(int, sys.argv[1:5])
libc = ctypes.CDLL(None)
if uid >= 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
if sys.platform == "linux":
    libc.prctl(1, death_signal, 0, 0, 0)  # 1 is PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit("the process that wanted this server is gone")
os.umask(0o077)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execv(sys.argv[5], sys.argv[5:])
"""


def spawn(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: IO[bytes],
    account: Account | None,
    death_signal: signal.Signals,
    stdin: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` as `account` (None: as ourselves). Raises OSError.

    It gets `death_signal` when our process ends, however that ends (Linux only). It has a session of its own: a
    Ctrl-C at the terminal reaches us, and we stop it in order.
    """
    who = (account.uid, account.gid) if account else (-1, -1)
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *map(str, (os.getpid(), *who, int(death_signal)))]
    born: Future[subprocess.Popen[bytes]] = Future()

    def accompany() -> None:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                [*launcher, *map(str, command)],
                cwd=cwd,
                env=dict(env),
                stdin=stdin or subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            born.set_exception(error)
            return
        born.set_result(process)
        process.wait()

    # Linux sends the death signal when the *thread* that forked ends, so a caller's short-lived thread must not be
    # the parent. This one lives exactly as long as the child, and reaps it.
    threading.Thread(target=accompany, name=f"child {Path(command[0]).name}", daemon=True).start()
    return born.result()
