"""Where a server's data and programs lie: in the data folder, or elsewhere if its account cannot get there.

A clone may lie where `nobody` cannot go (/root, or a `mktemp -d` of mode 700), and we never change the mode of
a folder that we did not make. Then the server lodges in a folder of its own under /var/tmp, which
`<service>.elsewhere` in the data folder names. The name is random: once the data folder is deleted, the
next start begins afresh. `remove_lodging` deletes both.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from kept.embedded.account import Account, can_reach
from kept.embedded.errors import EmbeddedError

# Survives a reboot, unlike /tmp. systemd-tmpfiles may clear what was not used for 30 days, but not below a folder
# that is locked, as a running server's is.
_ELSEWHERE = Path("/var/tmp")  # noqa: S108 - mkdtemp gives a folder of our own with an unguessable name
_READ_AND_RUN = stat.S_IROTH | stat.S_IXOTH


def find_lodging(data_dir: Path, service: str, account: Account | None) -> Path:
    """The folder for `service`'s data, made if need be: one that `account` can enter.

    Raises EmbeddedError when data lies where the account can no longer go: beginning afresh would look like loss.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    usual = data_dir.resolve() / service
    existing = _existing_elsewhere(data_dir, service)
    if existing is not None:
        return existing
    if account is None or can_reach(usual.parent, account):
        if not usual.exists():
            usual.mkdir()
            usual.chmod(0o711)
        return usual
    if usual.exists():
        raise EmbeddedError(
            f"{usual} holds the data of {service}, but user id {account.uid}, as whom it runs, can no longer "
            "enter that folder: give others the right to enter (chmod o+x) each folder above it, or move it away"
        )
    home = Path(tempfile.mkdtemp(prefix=_prefix(data_dir, service), dir=_ELSEWHERE))
    home.chmod(0o711)
    _pointer(data_dir, service).write_text(f"{home}\n", encoding="utf-8")
    return home


def existing_lodging(data_dir: Path, service: str) -> Path | None:
    """The folder that an earlier start made, if there is one."""
    usual = data_dir.resolve() / service
    return _existing_elsewhere(data_dir, service) or (usual if usual.is_dir() else None)


def remove_lodging(data_dir: Path, service: str) -> None:
    """Delete everything that `service` keeps, wherever it lies. It must not be running."""
    home = existing_lodging(data_dir, service)
    if home is not None:
        shutil.rmtree(home)
    for name in ("elsewhere", "port", "log", "log.1"):
        (data_dir / f"{service}.{name}").unlink(missing_ok=True)


def find_package(name: str) -> Path:
    """The folder of an installed package, found without importing it. Raises EmbeddedError if it is missing."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"package {name} is not installed: run `make setup`")
    return Path(spec.origin).parent


def reachable_program(
    program: Path, *, site: Path, parts: Iterable[str], distribution: str, home: Path, account: Account | None
) -> Path:
    """`program` itself if `account` can run it, else its copy in `home`: the `parts` of `site` that it needs."""
    if account is None or can_reach(program, account, mode=_READ_AND_RUN):
        return program
    copy = home / f"program-{version(distribution)}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix="program-new-", dir=home))
        for part in parts:
            shutil.copytree(site / part, fresh / part, ignore=shutil.ignore_patterns("*.a", "include"))
        _let_all_read(fresh)
        fresh.rename(copy)  # in one step: a copy that was cut short is never taken for a whole one
    return copy / program.relative_to(site)


def _existing_elsewhere(data_dir: Path, service: str) -> Path | None:
    try:
        home = Path(_pointer(data_dir, service).read_text(encoding="utf-8").strip())
        ours = home.lstat().st_uid == os.geteuid() and home.is_dir()
    except FileNotFoundError:
        return None
    # The prefix names the data folder: a copy of the data folder must not share the original's server.
    return home if ours and home.name.startswith(_prefix(data_dir, service)) else None


def _pointer(data_dir: Path, service: str) -> Path:
    return data_dir / f"{service}.elsewhere"


def _prefix(data_dir: Path, service: str) -> str:
    mark = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    return f"kept-{mark}-{service}-"


def _let_all_read(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
