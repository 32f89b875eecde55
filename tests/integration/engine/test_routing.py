"""Every routing decision is kept with all that it depends on, is told in words, and can be made again to the byte."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from pathlib import Path

from kept.domain.routing import RoutingPolicy
from kept.processes.assembly import utc_now
from kept.store.centres import CentrePauses
from kept.store.queries import Queries
from kept.store.routing import RoutingRecords
from kept.store.routing_views import decisions_of, verified_since
from tests.integration.engine.world import World
from tests.integration.kept_command import Kept
from tests.servers import execute, fetch, until, value_of


def policy_of(world: World) -> RoutingPolicy:
    return world.factory(None).routing


async def routed(world: World, orders: int) -> list[str]:
    """References of orders that went all the way."""
    await RoutingRecords(world.database).keep_policy(policy_of(world), utc_now())
    await world.sell(orders)
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.all_complete(orders)
    return [row["reference"] for row in await fetch(world.database, "SELECT reference FROM orders ORDER BY id")]


async def test_each_decision_is_kept_and_is_the_same_when_it_is_made_again(world: World) -> None:
    references = await routed(world, 6)
    done = await verified_since(world.database, await _long_ago(world))
    assert done == {"decisions": 6, "differing": []}
    for reference in references:
        found = await decisions_of(world.database, reference)
        assert found is not None
        (decision,) = found["decisions"]
        (fact,) = await fetch(
            world.database,
            "SELECT l.data->>'decision' AS decision, l.data->>'policy_sha256' AS policy FROM ledger l"
            " JOIN orders o ON o.id = l.order_id WHERE o.reference = $1 AND l.type = 'OrderRouted'",
            reference,
        )
        assert (fact["decision"], fact["policy"]) == (decision["sha256"], policy_of(world).sha256)
        told = await Queries(world.database).document(decision["sha256"])
        assert told is not None
        assert (told[0], sha256(told[1]).hexdigest()) == ("application/json", decision["sha256"])
        assert decision["policy"] == policy_of(world).name
        assert decision["words"][0].startswith(decision["outcome"]["parts"][0]["centre"])
        assert {each["centre"] for each in decision["outcome"]["candidates"]} == {
            centre.name for centre in policy_of(world).centres
        }
    assert await decisions_of(world.database, "nobody") is None


async def test_the_command_explains_an_order_and_finds_a_record_that_was_changed(world: World, kept: Kept) -> None:
    first, second = await routed(world, 2)
    explained = await kept("routing", "explain", first, "--json")
    assert explained.code == 0, explained.err
    assert "cost" in explained.json()["decisions"][0]["words"][1]
    assert (await kept("routing", "verify")).json() == {"decisions": 2, "differing": []}
    order_id = await value_of(world.database, "SELECT id FROM orders WHERE reference = $1", second)
    assert isinstance(order_id, int)
    (record,) = await RoutingRecords(world.database).of_order(order_id)
    await execute(
        world.database,
        "UPDATE documents SET content = $2, packed = false WHERE kind = 'routing_decision' AND order_id = $1",
        order_id,
        record.content.replace(b'"late":', b'"late": '),
    )
    ended = await kept("routing", "verify")
    assert ended.code == 1
    (differing,) = ended.json()["differing"]
    assert (differing["reference"], differing["why"]) == (second, "the same inputs give another decision now")
    assert (await kept("routing", "verify", first)).json()["decisions"] == 1
    assert (await kept("routing", "explain", "nobody")).code == 1


async def test_a_decision_under_a_policy_that_nobody_kept_is_named(world: World) -> None:
    (reference,) = await routed(world, 1)
    await execute(world.database, "DELETE FROM routing_policies")
    done = await verified_since(world.database, await _long_ago(world), reference)
    (differing,) = done["differing"]
    assert differing["why"] == f"no policy has the SHA-256 {policy_of(world).sha256}"


async def _long_ago(world: World) -> datetime:
    (row,) = await fetch(world.database, "SELECT now() - interval '1 day' AS moment")
    return row["moment"]  # type: ignore[no-any-return]  # a timestamp


async def test_a_paused_centre_gets_nothing_new_and_what_waited_for_it_goes_on_when_it_is_resumed(world: World) -> None:
    pauses = CentrePauses(world.database)
    names = [centre.name for centre in policy_of(world).centres]
    for name in names[1:]:
        await pauses.pause(name, "flood", "ann", utc_now())
    await routed(world, 3)
    (row,) = await fetch(world.database, "SELECT array_agg(DISTINCT centre) AS centres FROM parts")
    assert row["centres"] == names[:1]
    await pauses.pause(names[0], "flood", "ann", utc_now())
    await world.sell(2)
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await until(lambda: waiting(world))
        (row,) = await fetch(world.database, "SELECT last_error, due_at > now() AS later FROM deliveries LIMIT 1")
        assert row["later"]
        assert "paused by ann: flood" in row["last_error"]
        await pauses.resume(names[0], "ann", utc_now())
        await world.all_complete(5)


async def waiting(world: World) -> bool:
    rows = await fetch(world.database, "SELECT 1 FROM deliveries WHERE step = 'route' AND last_error <> ''")
    return len(rows) == 2


_OTHER = """
[routing]
name = "other"

[centres.{name}]
type = "rest"
timezone = "UTC"
cutoff = "23:00"
working_days = [0, 1, 2, 3, 4, 5, 6]
services = [{{ name = "ground", domestic_days = 4, base_minor = {base}, per_kg_minor = 0, international_days = 8 }}]
address = {{ name = "One", line1 = "1 Dock Rd", city = "Newark", postal_code = "07102", country = "US" }}
"""


async def test_past_decisions_are_made_again_under_another_policy_and_gates_decide(
    world: World, kept: Kept, tmp_path: Path
) -> None:
    await routed(world, 5)
    path, name = tmp_path / "other.toml", policy_of(world).centres[0].name
    for base, gate, code in ((1, "0", 0), (100_000, "5.5", 1)):
        path.write_text(_OTHER.format(name=name, base=base), encoding="utf-8")
        ended = await kept("routing", "backtest", "--policy", str(path), "--cost-percent-max", gate)
        assert ended.code == code, ended.err
        found = ended.json()
        assert found["totals"]["decisions"] == 5
        assert found["totals"]["unfilled_now"] == 0
        assert (found["totals"]["cost_percent"] > 0) is bool(code)
        assert bool(found["gates_missed"]) is bool(code)
        assert (await kept("routing", "backtest", "--policy", str(path))).json()["totals"] == found["totals"]
    path.write_text("[routing]\nname = 'empty'\n", encoding="utf-8")
    ended = await kept("routing", "backtest", "--policy", str(path), "--unfilled-max", "4")
    assert (ended.code, ended.json()["gates_missed"]) == (1, ["unfilled is 5, the gate is 4"])
