"""As whom a server runs, and what that account can reach.

PostgreSQL refuses to run as root, and Redis as root would let anybody who reaches its port write files as
root. So root starts both as `nobody`, who owns their data and nothing else.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """A user that is not root."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """The account to drop to: `nobody` when we are root, None (stay who we are) otherwise."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def can_reach(path: Path, account: Account, *, mode: int = stat.S_IXOTH) -> bool:
    """Whether `account` can enter every folder above `path`, and has `mode` (S_I?OTH bits) on `path` itself."""
    real = path.resolve()
    return all(_permits(folder, account, stat.S_IXOTH) for folder in real.parents) and _permits(real, account, mode)


def _permits(path: Path, account: Account, mode: int) -> bool:
    found = path.stat()
    if found.st_uid == account.uid:
        wanted = mode << 6
    elif found.st_gid == account.gid:
        wanted = mode << 3
    else:
        wanted = mode
    return found.st_mode & wanted == wanted
