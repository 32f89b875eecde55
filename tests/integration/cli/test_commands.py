"""The command `kept` as people and scripts run it: in a process of its own, on the test's database."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kept.engine.circuit_board import CircuitBoard, Notice
from kept.engine.streams import connect
from kept.simulator.demo import demo_config
from kept.store.database import Database
from tests.integration.kept_command import Kept
from tests.integration.store.driving import Driver, failed
from tests.servers import Servers, execute, value_of


@pytest.fixture
async def driver(database: Database) -> Driver:
    made = Driver.on(database)
    await made.stock_up()
    return made


def one_line(text: str) -> bool:
    return len(text.strip().splitlines()) == 1


# ------------------------------------------------------------------ orders


async def test_orders_are_listed_and_filtered(kept: Kept, driver: Driver) -> None:
    finished, waiting = await driver.shipped(), await driver.order()
    everything = await kept("orders", "list", "--json")
    assert everything.code == 0
    assert [row["reference"] for row in everything.json()] == [waiting.reference, finished.reference]
    complete = (await kept("orders", "list", "--state", "complete", "--limit", "1", "--json")).json()
    assert [row["reference"] for row in complete] == [finished.reference]
    assert (await kept("orders", "list", "--account", "nobody", "--json")).json() == []


async def test_an_order_is_shown_with_its_timeline(kept: Kept, driver: Driver) -> None:
    order = await driver.shipped()
    shown = await kept("orders", "show", order.reference, "--json")
    assert shown.code == 0
    found = shown.json()
    assert (found["reference"], found["state"]) == (order.reference, "complete")
    facts = [entry["type"] for entry in found["timeline"] if entry["entry"] == "fact"]
    assert (facts[0], facts[-1]) == ("OrderReceived", "OrderCompleted")
    assert (await kept("orders", "show", order.content.external_id)).json()["reference"] == order.reference


async def test_an_order_that_is_not_there_is_exit_code_1_and_one_line(kept: Kept) -> None:
    ended = await kept("orders", "show", "nobody's")
    assert (ended.code, ended.out) == (1, "")
    assert one_line(ended.err)
    assert "nobody's" in ended.err


async def test_an_order_is_cancelled_with_a_reason_and_what_can_not_be_is_exit_code_1(
    kept: Kept, driver: Driver, database: Database
) -> None:
    waiting, finished = await driver.order(), await driver.shipped()
    done = await kept("orders", "cancel", waiting.reference, "--reason", "out_of_stock")
    assert (done.code, done.json()["action"]) == (0, "cancel")
    sql = "SELECT convert_from(body, 'UTF8') FROM inbox WHERE source_kind = 'operator'"
    assert '"reason": "out_of_stock"' in str(await value_of(database, sql))
    for arguments in (("cancel", finished.reference, "--reason", "fraud"), ("release", waiting.reference)):
        ended = await kept("orders", *arguments)
        assert ended.code == 1
        assert "there is nothing to" in ended.err
        assert one_line(ended.err)


# ------------------------------------------------------------------ targets


async def test_a_target_that_refuses_us_is_listed_until_it_is_reset(kept: Kept, redis_url: str) -> None:
    redis = connect(redis_url)
    now = time.time()
    await CircuitBoard(redis).post(Notice("channel:shop", now + 60, now, "http_401", access_refused=True))
    (row,) = (await kept("targets", "list", "--json")).json()
    assert (row["target"], row["reason"], row["access_refused"]) == ("channel:shop", "http_401", True)
    assert (await kept("targets", "reset", "channel:shop")).code == 0
    assert (await kept("targets", "list", "--json")).json() == []
    await redis.aclose()


# ------------------------------------------------------------------ dead letters


async def test_dead_letters_are_listed_shown_and_replayed(kept: Kept, driver: Driver, database: Database) -> None:
    order = await driver.order()
    await driver.settle(failed(await driver.next("validate"), "refused", "because"))
    letters = (await kept("dead", "list", "--json")).json()
    assert [(one["order_reference"], one["code"], one["reason"]) for one in letters] == [
        (order.reference, "refused", "because")
    ]
    number = str(letters[0]["id"])
    assert (await kept("dead", "show", number, "--json")).json()["step"] == "validate"

    dry = await kept("dead", "replay", number, "--json")
    assert dry.code == 0
    assert "would replay 1" in dry.err
    assert [one["id"] for one in dry.json()] == [letters[0]["id"]]
    assert await value_of(database, "SELECT count(*) FROM deliveries") == 0

    real = await kept("dead", "replay", "--step", "validate", "--yes", "--json")
    assert (real.code, real.json()) == (0, {"replayed": [letters[0]["id"]]})
    assert await value_of(database, "SELECT step FROM deliveries") == "validate"

    again = await kept("dead", "replay", number, "--yes", "--json")
    assert (again.code, again.json()) == (3, {"replayed": []})
    assert (await kept("dead", "list", "--json")).json() == []
    assert len((await kept("dead", "list", "--resolved", "--json")).json()) == 1


async def test_a_replay_of_everything_is_never_meant(kept: Kept) -> None:
    ended = await kept("dead", "replay", "--yes")
    assert ended.code == 2
    assert "name letters" in ended.err


async def test_a_dead_letter_that_is_not_there_is_exit_code_1(kept: Kept) -> None:
    ended = await kept("dead", "show", "999")
    assert ended.code == 1
    assert one_line(ended.err)


# ------------------------------------------------------------------ stock, audit


async def test_stock_is_listed(kept: Kept, driver: Driver) -> None:
    await driver.booked()
    rows = (await kept("stock", "list", "--json")).json()
    found = {(row["centre"], row["sku"]): (row["on_hand"], row["reserved"], row["available"]) for row in rows}
    assert found["east", "SKU-1"] == (100, 2, 98)
    assert len(rows) == 6


async def test_the_audit_holds_or_names_what_is_broken(kept: Kept, driver: Driver, database: Database) -> None:
    await driver.shipped()
    good = await kept("audit", "--json")
    assert good.code == 0
    assert {row["broken"] for row in good.json()} == {0}
    assert "audit holds" in good.err
    assert "everything is at rest" in good.err
    await execute(database, "UPDATE stock SET reserved = 7")
    broken = await kept("audit", "--json")
    assert broken.code == 1
    assert [row["check"] for row in broken.json() if row["broken"]] == ["reserved stock is what open parts hold"]
    assert "audit BROKEN" in broken.err


# ------------------------------------------------------------------ migrate, check


async def test_migrate_names_what_it_did_and_then_has_nothing_to_do(kept: Kept, servers: Servers) -> None:
    async with servers.new_database(migrated=False) as dsn:
        first = await kept("migrate", KEPT_DATABASE_URL=dsn)
        assert first.code == 0
        assert first.out.splitlines()[0].endswith(".sql")
        second = await kept("migrate", KEPT_DATABASE_URL=dsn)
        assert (second.code, second.out) == (0, "nothing to do\n")


@pytest.fixture
def configured(kept: Kept, tmp_path: Path) -> Kept:
    """With the demonstration world's kept.toml."""
    config = tmp_path / "kept.toml"
    config.write_text(demo_config(tmp_path / "world").kept_toml, encoding="utf-8")
    kept.environment["KEPT_CONFIG"] = str(config)
    return kept


async def test_check_says_what_is_configured_and_that_both_servers_answer(configured: Kept) -> None:
    ended = await configured("check")
    assert ended.code == 0, ended.err
    assert "2 channels, 1 ERPs, 3 centres" in ended.out
    assert ended.out.splitlines()[1:] == ["postgresql ok", "redis ok"]


async def test_check_names_the_server_that_does_not_answer(configured: Kept, servers: Servers) -> None:
    servers.redis.stop()
    ended = await configured("check")
    assert ended.code == 1
    assert "postgresql ok" in ended.out
    assert ended.err.startswith("redis: BellUnavailable")
    servers.redis.start()
    ended = await configured("check", KEPT_DATABASE_URL="postgresql://kept@127.0.0.1:1/kept")
    assert ended.code == 1
    assert ended.err.startswith("postgresql: StoreUnavailable")


async def test_a_database_that_does_not_answer_is_one_line_and_not_a_traceback(kept: Kept) -> None:
    for arguments in (("orders", "list"), ("audit",), ("migrate",), ("dead", "replay", "1", "--yes")):
        ended = await kept(*arguments, KEPT_DATABASE_URL="postgresql://kept@127.0.0.1:1/kept")
        assert (ended.code, ended.out) == (1, ""), arguments
        assert one_line(ended.err), ended.err
        assert ended.err.startswith("kept: PostgreSQL")


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (("orders", "list"), {"KEPT_PORT": "many"}, "KEPT_PORT='many' is not a whole number"),
        (("orders", "list"), {"KEPT_CONFIG": "/nowhere/kept.toml"}, "/nowhere/kept.toml can't be read"),
        (("orders", "list"), {"KEPT_DATABASE_URL": ""}, "set KEPT_DATABASE_URL, or run `kept up`"),
        (("migrate",), {"KEPT_DATABASE_URL": ""}, "set KEPT_DATABASE_URL"),
        (("api",), {"KEPT_REDIS_URL": ""}, "set KEPT_DATABASE_URL and KEPT_REDIS_URL"),
        (("check",), {"KEPT_DATABASE_URL": ""}, "set KEPT_DATABASE_URL and KEPT_REDIS_URL"),
        (("worker", "--config", "/nowhere/kept.toml"), {}, "/nowhere/kept.toml can't be read"),
        (("worker",), {}, "kept.toml must name exactly one ERP"),
    ],
)
async def test_a_wrong_setting_is_exit_code_2_and_one_line(
    kept: Kept, arguments: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    ended = await kept(*arguments, **environment)
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err), ended.err
    assert ended.err.startswith(f"kept: {says}")


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[channels.shop]\ntype = 7", "Expected `str`, got `int`"),
        ("[channels.shop", "is not TOML"),
        ('[channels.shop]\ntype = "amazonia"', "known are"),
        ('[channels.shop]\ntype = "shopify"\nbase_url = "http://x"\ntoken = "hunter2"', "never as the value itself"),
        ('[channels.shop]\ntype = "shopify"\nbase_url = "http://x"\ntoken = "env:NO_SUCH"', "NO_SUCH"),
    ],
)
async def test_a_wrong_kept_toml_is_named_without_its_secrets(kept: Kept, tmp_path: Path, toml: str, says: str) -> None:
    config = tmp_path / "kept.toml"
    config.write_text(toml, encoding="utf-8")
    ended = await kept("check", "--config", str(config))
    assert ended.code == 2
    assert one_line(ended.err), ended.err
    assert says in ended.err
    assert "hunter2" not in ended.err


async def test_pieces_are_kept_back_from_a_file_and_a_wrong_one_changes_nothing(
    kept: Kept, driver: Driver, tmp_path: Path
) -> None:
    file = tmp_path / "safety.csv"
    file.write_text("centre,sku,pieces\neast,SKU-1,7\n", encoding="utf-8")
    assert (await kept("stock", "safety", str(file))).json() == {"skus": 1}
    file.write_text("centre,sku,pieces\neast,SKU-1,0\neast,SKU-2,many\n", encoding="utf-8")
    wrong = await kept("stock", "safety", str(file))
    assert wrong.code != 0
    assert "line 3: pieces 'many'" in wrong.err
    levels = {(row["centre"], row["sku"]): row for row in (await kept("stock", "list", "--json")).json()}
    assert (levels["east", "SKU-1"]["safety"], levels["east", "SKU-1"]["available"]) == (7, 93)
