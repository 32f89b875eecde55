"""Files of orders, from an account's drop folder or by hand: each order of a file becomes a message in the inbox.

A message's key is made of the file's content, the row and the order's id. So a file that is dropped twice, or taken
again after a crash, changes nothing: a whole file is set aside first, so that a new one may come under its name; its
orders are committed, then its errors are written, and it is moved last. docs/guides/order-files.md is the guide.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from kept.connectors.order_files import BadCell, FileReading, ReadOrderFile, errors_csv
from kept.connectors.registry import CHANNELS
from kept.engine.interfaces import Bell, BellUnavailable, StoreUnavailable
from kept.engine.streams import Streams, connect
from kept.observe.correlation import new_correlation_id
from kept.processes.assembly import utc_now
from kept.processes.worker import consumer_name
from kept.settings import Business, Settings, SettingsError
from kept.store.database import Database
from kept.store.inbox import Arrival, Inbox

log = structlog.get_logger("kept.file_drop")

FILE_BYTES_MAX = 50 * 1024 * 1024  # some 100,000 orders, read at once; larger ones are to be split
SCAN_EVERY_S = 5.0
# A file must have kept its size and time for so long: longer than a copy over a network pauses.
SETTLE_S = 10.0
_GROUP_MAX = 200  # orders of one commit, as in the intake
_SUFFIXES = (".csv", ".tsv", ".ndjson", ".jsonl")


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file: orders that are new, orders that were known from this very content, and what was wrong."""

    new: int
    known: int
    bad: Sequence[BadCell]


class FileIntake:
    """Puts the orders of one account's files into the inbox."""

    def __init__(
        self, account: str, read: ReadOrderFile, inbox: Inbox, bell: Bell, clock: Callable[[], datetime]
    ) -> None:
        self.account = account
        self._read = read
        self._inbox = inbox
        self._bell = bell
        self._clock = clock

    async def take(self, name: str, body: bytes) -> Taken:
        """Every order of a file that can be read; those that can't are in `bad`. Raises StoreUnavailable."""
        reading = await asyncio.to_thread(self._read, name, body)  # seconds, for a large one
        arrivals = self._arrivals(name, hashlib.sha256(body).hexdigest(), reading)
        new = 0
        for start in range(0, len(arrivals), _GROUP_MAX):
            receipts, rings = await self._inbox.accept(arrivals[start : start + _GROUP_MAX])
            new += sum(not receipt.duplicate for receipt in receipts)
            with contextlib.suppress(BellUnavailable):  # the relay rings for it
                await self._bell.ring(rings)
        return Taken(new, len(arrivals) - new, reading.bad)

    def _arrivals(self, name: str, digest: str, reading: FileReading) -> list[Arrival]:
        now = self._clock()
        shown = name.encode("utf-8", "backslashreplace").decode()  # a name need not be valid Unicode
        return [
            Arrival(
                source=self.account,
                source_kind="channel",
                external_key=f"file:{digest}:{order.row}:{order.order_id}",
                headers={"content-type": "application/json", "kept-file": shown, "kept-row": str(order.row)},
                body=order.body,
                correlation_id=new_correlation_id(),
                received_at=now,
            )
            for order in reading.orders
        ]


@dataclass(frozen=True, slots=True)
class _Look:
    """A file as a scan saw it. The same look is the same content, whatever name it has by now."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, seen: os.stat_result) -> _Look:
        return cls(seen.st_size, seen.st_mtime_ns, seen.st_ino)


class DropFolder:
    """One account's folder. `clock_s` gives monotonic seconds."""

    def __init__(self, intake: FileIntake, folder: Path, clock_s: Callable[[], float] = monotonic) -> None:
        self._intake = intake
        self._folder = folder
        self._aside = folder / ".taking"
        self._clock_s = clock_s
        self._since: dict[Path, tuple[_Look, float]] = {}  # how each file looks, and since when
        self._passed_over: set[str] = set()
        self._unreachable = False

    async def scan(self) -> None:
        """Take every file that is whole. A fault of one file hinders no other; it is tried again at the next scan."""
        try:
            looks = dict(self._looks())
        except OSError as error:
            if not self._unreachable:  # said once, not at each scan
                log.warning("file_drop.unreachable", account=self._intake.account, error=error.strerror)
            self._unreachable = True
            return
        self._unreachable = False
        for path in self._settled(looks):
            try:
                await self._take(path, looks[path])
            except StoreUnavailable as fault:
                log.warning("file_drop.waits", account=self._intake.account, reason=str(fault))
                return
            except OSError as error:
                log.warning("file_drop.failed", account=self._intake.account, file=path.name, error=error.strerror)
            except Exception as error:  # a file that breaks its reader must not stop the others, or the polls
                log.error("file_drop.broken", account=self._intake.account, file=path.name, exc_info=error)

    def _looks(self) -> Iterator[tuple[Path, _Look]]:
        """Regular files with a suffix that we take, and what was set aside and not finished.

        A link is no file: it may lead out of the folder.
        """
        for folder in (self._folder, self._aside) if self._aside.is_dir() else (self._folder,):
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith((".", "~")) or not entry.is_file(follow_symlinks=False):
                        continue
                    if entry.name.lower().endswith(_SUFFIXES):
                        yield Path(entry.path), _Look.of(entry.stat(follow_symlinks=False))
                    elif entry.name not in self._passed_over:
                        self._passed_over.add(entry.name)
                        log.info("file_drop.passed_over", account=self._intake.account, file=entry.name)

    def _settled(self, looks: Mapping[Path, _Look]) -> list[Path]:
        """The files that have not changed for long enough, the oldest first."""
        now_s = self._clock_s()
        before, self._since = self._since, {}
        for path, look in looks.items():
            known = before.get(path)
            self._since[path] = known if known is not None and known[0] == look else (look, now_s)
        whole = [path for path, (_, since_s) in self._since.items() if now_s - since_s >= SETTLE_S]
        return sorted(whole, key=lambda path: (looks[path].mtime_ns, path.name))

    async def _take(self, path: Path, look: _Look) -> None:
        if path.parent == self._aside:
            name = path.name.split("-", 2)[2]
        else:
            name, path = path.name, self._set_aside(path, look)
        if look.size > FILE_BYTES_MAX:
            problem = f"the file has more than {FILE_BYTES_MAX} bytes; nothing was taken"
            taken = Taken(0, 0, [BadCell(1, "", "", "", problem, "split it, each part with the header")])
            digest = f"{look.size:x}{look.mtime_ns:x}"
        else:
            body = await asyncio.to_thread(_read_as_seen, path, look)
            if body is None:
                return  # taken by another process of ours, or still written to: a later scan will see
            taken, digest = await self._intake.take(name, body), hashlib.sha256(body).hexdigest()
        if not await asyncio.to_thread(self._put_away, path, look, name, digest, taken.bad):
            return
        log.info(
            "file_drop.taken",
            account=self._intake.account,
            file=name,
            new=taken.new,
            known=taken.known,
            bad_rows=len({cell.row for cell in taken.bad}),
        )

    def _set_aside(self, path: Path, look: _Look) -> Path:
        """Move a file to where its sender won't write over it; its new path, which no other file can have."""
        self._aside.mkdir(exist_ok=True)
        moment = look.mtime_ns % 2**64  # a time before 1970 is below nothing
        aside = self._aside / f"{look.inode:x}-{moment:x}-{path.name}"
        with contextlib.suppress(FileNotFoundError):  # another process of ours was quicker
            path.rename(aside)
        return aside

    def _put_away(self, path: Path, look: _Look, name: str, digest: str, bad: Sequence[BadCell]) -> bool:
        """Move a file whose orders are committed to `done`, or with its errors to `failed`.

        False if it changed or went meanwhile: then it is not what was taken, and a later scan will see.
        """
        target = _free_place(self._folder / ("failed" if bad else "done"), name, digest)
        target.parent.mkdir(exist_ok=True)
        if bad:
            write_errors(target, bad)
        try:
            if _Look.of(path.stat()) != look:
                return False
            path.replace(target)
        except FileNotFoundError:
            return False
        return True


def _read_as_seen(path: Path, look: _Look) -> bytes | None:
    """The file's content; None if it is no longer as the scan saw it. Follows no link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if _Look.of(os.fstat(descriptor)) != look:
            return None
        body = file.read(look.size + 1)
        return body if _Look.of(os.fstat(descriptor)) == look and len(body) == look.size else None


def _free_place(folder: Path, name: str, digest: str) -> Path:
    """Where a file goes: under its name, or, where another content has that, with its own hash in it."""
    target = folder / name
    if not target.exists() or _digest_of(target) == digest:
        return target
    stem, _, suffix = name.rpartition(".")
    return folder / f"{stem}-{digest[:12]}.{suffix}"


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_errors(path: Path, bad: Sequence[BadCell]) -> Path:
    """Write `path`.errors.csv, whole or not at all; its path."""
    target = path.with_name(path.name + ".errors.csv")
    draft = path.with_name(f".{path.name}.errors.part")
    with draft.open("wb") as file:
        file.write(errors_csv(bad))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    return target


# ------------------------------------------------------------------ processes


class DroppedFiles:
    """Watches the drop folders of all accounts until stopped."""

    def __init__(self, folders: Mapping[str, DropFolder]) -> None:
        self.accounts = sorted(folders)
        self._folders = folders

    async def run(self) -> None:
        """Scan each folder again and again until cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(self._watch(folder) for folder in self._folders.values()))

    @staticmethod
    async def _watch(folder: DropFolder) -> None:
        while True:
            await folder.scan()
            await asyncio.sleep(SCAN_EVERY_S)


def reader_of(business: Business, account: str) -> ReadOrderFile:
    """What reads the account's files. Raises SettingsError for an account that has none."""
    settings = business.channels.get(account)
    if settings is None:
        known = ", ".join(sorted(business.channels)) or "none"
        raise SettingsError(f"kept.toml has no channel {account!r}; it has {known}")
    kind = CHANNELS.get(settings.type)
    if kind is None or kind.read_file is None:
        able = ", ".join(sorted(name for name, each in CHANNELS.items() if each.read_file is not None))
        raise SettingsError(f"channel {account!r} of type {settings.type!r} reads no files; these types do: {able}")
    return kind.read_file


def folders_of(business: Business) -> dict[str, Path]:
    """The drop folders by account. Raises SettingsError for a path that can't be one, or a type that reads no files."""
    named = {name: Path(each.drop_folder) for name, each in business.channels.items() if each.drop_folder}
    for name, folder in named.items():
        reader_of(business, name)
        if not folder.is_absolute():
            raise SettingsError(f"channels.{name}.drop_folder is {str(folder)!r}; give an absolute path")
    return named


@contextlib.asynccontextmanager
async def dropped_files(settings: Settings) -> AsyncIterator[DroppedFiles]:
    """The drop folders that the settings name. Raises SettingsError for one that can't be."""
    folders = folders_of(settings.business)
    async with _intakes(settings, list(folders)) as intakes:
        yield DroppedFiles({name: DropFolder(intakes[name], folder) for name, folder in folders.items()})


async def import_files(settings: Settings, account: str, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Take files by hand, where they lie: what became of each. Errors go to FILE.errors.csv beside it.

    Raises SettingsError for an account that reads no files or a file that can't be read; run again, it changes nothing.
    """
    results = []
    async with _intakes(settings, [account]) as intakes:
        for path in paths:
            try:
                if path.stat().st_size > FILE_BYTES_MAX:
                    raise SettingsError(f"{path} has more than {FILE_BYTES_MAX} bytes; split it")
                taken = await intakes[account].take(path.name, path.read_bytes())
                errors = str(write_errors(path, taken.bad)) if taken.bad else None
            except OSError as error:
                raise SettingsError(f"{path}: {error.strerror}") from error
            results.append(
                {"file": str(path), "new": taken.new, "known": taken.known, "bad": list(taken.bad), "errors": errors}
            )
    return results


@contextlib.asynccontextmanager
async def _intakes(settings: Settings, accounts: Sequence[str]) -> AsyncIterator[dict[str, FileIntake]]:
    readers = {account: reader_of(settings.business, account) for account in accounts}
    database = Database(settings.database_url, connections_max=2)
    bell = Streams(connect(settings.redis_url), consumer_name())
    inbox = Inbox(database)
    try:
        yield {name: FileIntake(name, read, inbox, bell, utc_now) for name, read in readers.items()}
    finally:
        await bell.aclose()
        await database.close()
