"""Drop folders on real servers: whole files only, each order once, bad rows told, and nothing lost by a crash."""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest

from kept.connectors.channels.inhouse.files import read_file
from kept.connectors.order_files import FileReading
from kept.engine.interfaces import StoreUnavailable
from kept.engine.streams import Streams, connect
from kept.processes import file_drop
from kept.processes.assembly import utc_now
from kept.processes.file_drop import SETTLE_S, DropFolder, FileIntake, Taken, dropped_files
from kept.settings import Business, ChannelSettings, SettingsError
from kept.store.database import Database
from kept.store.inbox import Inbox
from tests.integration.api.serving import settings_for
from tests.servers import Servers, fetch, until, value_of
from tests.unit.connectors.channels.inhouse.orders import line, order


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Stopped(BaseException):
    """The process ends here, as by SIGKILL: nothing catches it."""


@dataclass
class Drop:
    """A watched folder."""

    path: Path
    intake: FileIntake
    clock: Clock
    database: Database
    bell: Streams
    watching: DropFolder

    def put(self, name: str, body: bytes) -> Path:
        path = self.path / name
        path.write_bytes(body)
        return path

    async def settle(self) -> None:
        """Two scans as far apart as a file has to stand still."""
        await self.watching.scan()
        self.clock.now_s += SETTLE_S
        await self.watching.scan()

    def restart(self) -> None:
        """Another process, which remembers nothing."""
        self.watching = DropFolder(self.intake, self.path, self.clock)

    def files(self) -> list[str]:
        """Every file under the folder."""
        return sorted(str(each.relative_to(self.path)) for each in self.path.rglob("*") if each.is_file())

    async def taken(self) -> list[str]:
        """The orders in the inbox, by their id."""
        rows = await fetch(self.database, "SELECT body FROM inbox ORDER BY id")
        return [orjson.loads(row["body"])["id"] for row in rows]

    def errors(self, name: str) -> list[dict[str, str]]:
        text = (self.path / "failed" / f"{name}.errors.csv").read_text(encoding="utf-8-sig")
        return list(csv.DictReader(text.splitlines()))


@pytest.fixture
async def drop(tmp_path: Path, database: Database, redis_url: str) -> AsyncIterator[Drop]:
    folder, clock, bell = tmp_path / "drop", Clock(), Streams(connect(redis_url), "drop")
    folder.mkdir()
    intake = FileIntake("inhouse", read_file, Inbox(database), bell, utc_now)
    yield Drop(folder, intake, clock, database, bell, DropFolder(intake, folder, clock))
    await bell.aclose()


def ndjson(*ids: str) -> bytes:
    return b"".join(orjson.dumps(order(line(), id=each)) + b"\n" for each in ids)


BAD_LINE = orjson.dumps(order(line(quantity=0), id="A-9")) + b"\n"

# ------------------------------------------------------------------ whole files


async def test_a_file_that_stands_still_is_taken_and_moved(drop: Drop) -> None:
    body = ndjson("A-1", "A-2")
    drop.put("orders.ndjson", body)
    await drop.watching.scan()
    assert await drop.taken() == []
    drop.clock.now_s += SETTLE_S
    await drop.watching.scan()
    assert await drop.taken() == ["A-1", "A-2"]
    assert drop.files() == ["done/orders.ndjson"]
    assert (drop.path / "done" / "orders.ndjson").read_bytes() == body
    rows = await fetch(drop.database, "SELECT * FROM inbox ORDER BY id")
    assert [row["source"] for row in rows] == ["inhouse"] * 2
    assert rows[1]["external_key"].startswith("file:")
    assert rows[1]["external_key"].endswith(":2:A-2")
    assert orjson.loads(rows[1]["headers"])["kept-file"] == "orders.ndjson"
    assert len({row["correlation_id"] for row in rows}) == 2
    assert await value_of(drop.database, "SELECT count(*) FROM deliveries WHERE step = 'normalise'") == 2


async def test_a_file_that_still_grows_is_left_until_it_has_stood_still(drop: Drop) -> None:
    path = drop.put("orders.ndjson", ndjson("A-1"))
    for number in (2, 3):
        await drop.watching.scan()
        drop.clock.now_s += SETTLE_S
        with path.open("ab") as file:
            file.write(ndjson(f"A-{number}"))
    await drop.watching.scan()
    assert await drop.taken() == []
    await drop.settle()
    assert await drop.taken() == ["A-1", "A-2", "A-3"]


@pytest.mark.parametrize("name", ["orders.csv.part", ".orders.csv", "~orders.csv", "orders.xlsx", "orders"])
async def test_a_name_that_is_not_one_of_a_whole_file_is_left_alone(drop: Drop, name: str) -> None:
    drop.put(name, ndjson("A-1"))
    await drop.settle()
    await drop.settle()
    assert drop.files() == [name]
    assert await drop.taken() == []


async def test_a_link_or_folder_is_not_taken(drop: Drop, tmp_path: Path) -> None:
    outside = tmp_path / "outside.ndjson"
    outside.write_bytes(ndjson("A-1"))
    (drop.path / "link.ndjson").symlink_to(outside)
    (drop.path / "folder.csv").mkdir()
    os.mkfifo(drop.path / "pipe.csv")
    await drop.settle()
    assert await drop.taken() == []
    assert outside.exists()


async def test_the_oldest_file_is_taken_first(drop: Drop) -> None:
    for at_s, name in ((1_700_000_000, "c"), (-10, "b"), (20, "a")):
        path = drop.put(f"{name}.ndjson", ndjson(name))
        os.utime(path, (at_s,) * 2)
    await drop.settle()
    assert await drop.taken() == ["b", "a", "c"]
    assert drop.files() == ["done/a.ndjson", "done/b.ndjson", "done/c.ndjson"]


# ------------------------------------------------------------------ once


async def test_the_same_content_again_changes_nothing_under_whatever_name(drop: Drop) -> None:
    for name in ("orders.ndjson", "orders.ndjson", "again.ndjson"):
        drop.put(name, ndjson("A-1", "A-2"))
        await drop.settle()
    assert await drop.taken() == ["A-1", "A-2"]
    assert drop.files() == ["done/again.ndjson", "done/orders.ndjson"]


async def test_another_content_under_a_name_that_was_there_keeps_both(drop: Drop) -> None:
    for order_id in ("A-1", "A-2"):
        drop.put("orders.ndjson", ndjson(order_id))
        await drop.settle()
    assert await drop.taken() == ["A-1", "A-2"]
    first, second = drop.files()
    assert first.startswith("done/orders-")
    assert second == "done/orders.ndjson"


async def test_two_pollers_take_a_file_once(drop: Drop) -> None:
    other = DropFolder(drop.intake, drop.path, drop.clock)
    drop.put("orders.ndjson", ndjson(*(f"A-{number}" for number in range(500))))
    for _ in range(2):
        await asyncio.gather(drop.watching.scan(), other.scan())
        drop.clock.now_s += SETTLE_S
    assert len(await drop.taken()) == 500
    assert drop.files() == ["done/orders.ndjson"]


# ------------------------------------------------------------------ bad rows


async def test_bad_rows_are_told_beside_the_file_and_the_good_ones_are_taken(drop: Drop) -> None:
    drop.put("orders.ndjson", ndjson("A-1") + BAD_LINE + b"=1+1\n" + ndjson("A-2"))
    await drop.settle()
    assert await drop.taken() == ["A-1", "A-2"]
    assert drop.files() == ["failed/orders.ndjson", "failed/orders.ndjson.errors.csv"]
    bad, broken = drop.errors("orders.ndjson")
    assert (bad["line"], bad["order_id"], bad["column"], bad["value"]) == ("2", "A-9", "$.lines[0].quantity", "0")
    assert (broken["line"], broken["column"]) == ("3", "1")
    assert broken["what_to_do"]


async def test_a_file_that_was_mended_brings_what_was_missing(drop: Drop) -> None:
    drop.put("orders.ndjson", ndjson("A-1") + BAD_LINE)
    await drop.settle()
    drop.put("orders.ndjson", ndjson("A-1", "A-9"))
    await drop.settle()
    assert await drop.taken() == ["A-1", "A-1", "A-9"]  # the first is known by its revision when it is deduplicated


async def test_a_file_that_is_too_large_is_not_even_read(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_drop, "FILE_BYTES_MAX", 10)
    drop.put("orders.ndjson", ndjson("A-1"))
    await drop.settle()
    assert await drop.taken() == []
    assert "more than 10 bytes" in drop.errors("orders.ndjson")[0]["problem"]


async def test_a_file_that_can_not_be_moved_hinders_no_other(drop: Drop) -> None:
    (drop.path / "failed").write_text("no folder", encoding="utf-8")
    drop.put("a.ndjson", BAD_LINE)
    drop.put("b.ndjson", ndjson("A-1"))
    await drop.settle()
    assert await drop.taken() == ["A-1"]
    (drop.path / "failed").unlink()
    await drop.settle()
    assert drop.files() == ["done/b.ndjson", "failed/a.ndjson", "failed/a.ndjson.errors.csv"]


async def test_a_file_that_breaks_its_reader_hinders_no_other(drop: Drop) -> None:
    def breaking(name: str, body: bytes) -> FileReading:
        if name == "a.csv":
            raise ZeroDivisionError(name)
        return read_file(name, body)

    drop.intake = FileIntake("inhouse", breaking, Inbox(drop.database), drop.bell, utc_now)
    drop.restart()
    drop.put("a.csv", b"order_id")
    drop.put("b.ndjson", ndjson("A-1"))
    await drop.settle()
    assert await drop.taken() == ["A-1"]
    assert len(drop.files()) == 2  # the broken one stays, for the reader to be mended


async def test_a_folder_that_is_not_there_is_waited_for(drop: Drop) -> None:
    drop.path.rmdir()
    await drop.settle()
    drop.path.mkdir()
    drop.put("orders.ndjson", ndjson("A-1"))
    await drop.settle()
    assert await drop.taken() == ["A-1"]


# ------------------------------------------------------------------ crashes


def stop_before(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise Stopped(name)

    monkeypatch.setattr(owner, name, stopped)


def stop_after_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    real = FileIntake.take

    async def take(self: FileIntake, name: str, body: bytes) -> Taken:
        await real(self, name, body)
        raise Stopped(name)

    monkeypatch.setattr(FileIntake, "take", take)


@pytest.mark.parametrize(
    "crash",
    [
        lambda patch: stop_before(patch, FileIntake, "take"),
        stop_after_the_commit,
        lambda patch: stop_before(patch, file_drop, "write_errors"),
        lambda patch: stop_before(patch, file_drop, "errors_csv"),
        lambda patch: stop_before(patch, Path, "replace"),
    ],
    ids=["before the commit", "after the commit", "before the errors", "within the errors", "before the move"],
)
async def test_a_crash_loses_and_doubles_nothing(drop: Drop, crash: Callable[[pytest.MonkeyPatch], None]) -> None:
    drop.put("orders.ndjson", ndjson("A-1") + BAD_LINE + ndjson("A-2"))
    with pytest.MonkeyPatch.context() as patch:
        crash(patch)
        with pytest.raises(Stopped):
            await drop.settle()
    assert (drop.path / ".taking").is_dir()
    drop.put("orders.ndjson", ndjson("B-1"))  # its sender has gone on meanwhile
    drop.restart()
    await drop.settle()
    assert sorted(await drop.taken()) == ["A-1", "A-2", "B-1"]
    kept = [name for name in drop.files() if "/." not in name]
    assert kept == ["done/orders.ndjson", "failed/orders.ndjson", "failed/orders.ndjson.errors.csv"]
    assert [row["line"] for row in drop.errors("orders.ndjson")] == ["2"]


async def test_with_postgresql_down_a_file_waits(drop: Drop, servers: Servers) -> None:
    drop.put("orders.ndjson", ndjson("A-1"))
    servers.postgres.stop()
    await drop.settle()
    with pytest.raises(StoreUnavailable):
        await drop.intake.take("x.ndjson", ndjson("A-2"))
    servers.postgres.start()
    await drop.settle()
    assert await drop.taken() == ["A-1"]
    assert drop.files() == ["done/orders.ndjson"]


async def test_a_file_that_is_written_to_while_it_is_taken_is_taken_again(drop: Drop) -> None:
    def read_and_disturb(name: str, body: bytes) -> FileReading:
        (aside,) = (drop.path / ".taking").iterdir()
        if body.count(b"\n") == 1:
            with aside.open("ab") as file:
                file.write(ndjson("A-2"))
        return read_file(name, body)

    drop.intake = FileIntake("inhouse", read_and_disturb, Inbox(drop.database), drop.bell, utc_now)
    drop.restart()
    drop.put("orders.ndjson", ndjson("A-1"))
    await drop.settle()
    assert not (drop.path / "done" / "orders.ndjson").exists()
    await drop.settle()
    assert await drop.taken() == ["A-1", "A-1", "A-2"]
    assert (drop.path / "done" / "orders.ndjson").read_bytes() == ndjson("A-1", "A-2")


# ------------------------------------------------------------------ processes


async def test_the_poller_watches_the_folders_that_the_settings_name(
    tmp_path: Path, database: Database, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_drop, "SETTLE_S", 0.0)
    monkeypatch.setattr(file_drop, "SCAN_EVERY_S", 0.01)
    folder = tmp_path / "drop"
    folder.mkdir()
    settings = settings_for(tmp_path, database_url, redis_url)
    business = Business(channels={"office": ChannelSettings("inhouse", drop_folder=str(folder))})
    (folder / "orders.ndjson").write_bytes(ndjson("A-1"))
    async with dropped_files(replace(settings, business=business)) as drops:
        assert drops.accounts == ["office"]
        running = asyncio.create_task(drops.run())
        await until((folder / "done" / "orders.ndjson").exists)
        running.cancel()
        await running
    assert await value_of(database, "SELECT source FROM inbox") == "office"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (ChannelSettings("inhouse", drop_folder="here/below"), "absolute"),
        (ChannelSettings("shopify", drop_folder="/drop"), "reads no files"),
        (ChannelSettings("bazaar", drop_folder="/drop"), "reads no files"),
    ],
)
async def test_a_folder_that_can_not_be_watched_is_a_wrong_setting(
    tmp_path: Path, settings: ChannelSettings, said: str
) -> None:
    whole = replace(settings_for(tmp_path, "", ""), business=Business(channels={"office": settings}))
    with pytest.raises(SettingsError, match=said):
        async with dropped_files(whole):
            pass
