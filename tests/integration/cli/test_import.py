"""`kept channels import`, in a process of its own: files taken by hand, once, whatever happens to the process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import orjson
import pytest

from kept.store.database import Database
from tests.integration.kept_command import Kept
from tests.servers import value_of
from tests.unit.connectors.channels.inhouse.orders import line, order

KEPT_TOML = """
[channels.office]
type = "inhouse"
drop_folder = "/nowhere"

[channels.shop]
type = "shopify"
base_url = "http://127.0.0.1:1"
"""


@pytest.fixture
def importing(tmp_path: Path, database_url: str, redis_url: str) -> Kept:
    config = tmp_path / "kept.toml"
    config.write_text(KEPT_TOML, encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEPT_")}
    return Kept(
        {
            **inherited,
            "KEPT_HOME": str(tmp_path / "home"),
            "KEPT_CONFIG": str(config),
            "KEPT_DATABASE_URL": database_url,
            "KEPT_REDIS_URL": redis_url,
        }
    )


def orders_file(path: Path, count: int, *, last: bytes = b"") -> Path:
    rows = [orjson.dumps(order(line(), id=f"A-{number}")) for number in range(count)]
    path.write_bytes(b"\n".join([*rows, last]))
    return path


async def kept_messages(database: Database) -> object:
    return await value_of(database, "SELECT count(*) FROM inbox")


async def test_files_are_taken_and_told_and_taken_again_change_nothing(
    importing: Kept, tmp_path: Path, database: Database
) -> None:
    good, bad = orders_file(tmp_path / "good.ndjson", 3), orders_file(tmp_path / "bad.jsonl", 1, last=b'{"id": "A-7"}')
    first = await importing("channels", "import", "--account", "office", str(good), str(bad))
    assert first.code == 1, first.err
    told, other = first.json()
    assert told == {"file": str(good), "new": 3, "known": 0, "bad": [], "errors": None}
    assert (other["new"], other["bad"][0]["row"], other["bad"][0]["order_id"]) == (1, 2, "A-7")
    assert other["errors"] == f"{bad}.errors.csv"
    assert b"A-7" in bad.with_name("bad.jsonl.errors.csv").read_bytes()
    assert good.exists()
    again = await importing("channels", "import", "--account", "office", str(good))
    assert again.code == 0
    assert (again.json()[0]["new"], again.json()[0]["known"]) == (0, 3)
    assert await kept_messages(database) == 4


async def test_a_process_that_is_killed_between_two_commits_is_gone_on_with(
    importing: Kept, tmp_path: Path, database: Database
) -> None:
    path = orders_file(tmp_path / "orders.ndjson", 450)
    killed = await importing(
        "channels", "import", "--account", "office", str(path), KEPT_CRASH_POINT="inbox.after_commit:2"
    )
    assert killed.code == -signal.SIGKILL
    assert await kept_messages(database) == 400
    again = await importing("channels", "import", "--account", "office", str(path))
    assert (again.json()[0]["new"], again.json()[0]["known"]) == (50, 400)
    assert await kept_messages(database) == 450
    assert await value_of(database, "SELECT count(*) FROM deliveries") == 450


async def test_a_check_finds_a_drop_folder_that_is_not_there(importing: Kept, tmp_path: Path) -> None:
    config, folder = tmp_path / "office.toml", tmp_path / "drop"
    config.write_text(f"[channels.office]\ntype = 'inhouse'\ndrop_folder = '{folder}'\n", encoding="utf-8")
    without = await importing("check", "--config", str(config))
    assert (without.code, f"drop_folder of office: {folder} can't be read" in without.err) == (1, True)
    folder.mkdir()
    assert (await importing("check", "--config", str(config))).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--account", "shop", "x.csv"), "reads no files"),
        (("--account", "nobody", "x.csv"), "has no channel 'nobody'"),
        (("--account", "office", "no-such.csv"), "no-such.csv: No such file"),
    ],
)
async def test_what_can_not_be_imported_is_said_in_one_line(
    importing: Kept, arguments: tuple[str, ...], said: str
) -> None:
    ended = await importing("channels", "import", *arguments)
    assert ended.code not in {0, 1}
    assert said in ended.err
    assert len(ended.err.strip().splitlines()) == 1
