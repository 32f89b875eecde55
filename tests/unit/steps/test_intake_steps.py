"""Normalise and deduplicate: a message becomes an order, a revision of one, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson

from kept.domain import events as ev
from kept.domain.lifecycle import OrderState
from kept.domain.progress import Evolution, evolve
from kept.domain.skus import Component
from kept.engine.outcome import Done, Outcome, Reject, Wait
from kept.steps.deduplicate import deduplicate
from kept.steps.normalise import normalise
from tests.unit.domain.samples import NOW, booked_order, content, line, order_after
from tests.unit.steps.world import World, channel_message


def done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


# ------------------------------------------------------------------ normalise


async def test_a_message_becomes_content_and_one_bad_message_stops_no_other() -> None:
    said = content()
    messages = [
        channel_message(1, body=orjson.dumps(said)),
        channel_message(2, body=b"bad"),
        channel_message(3, body=b""),
        channel_message(4, body=b"{}", source="closed shop"),
    ]
    good, bad, silent, foreign = await normalise(messages, World().ports())
    assert good == Done([ev.MessageNormalised(said)])
    assert bad == Reject("no order (at $.lines)", "bad_message")
    assert silent == Done([ev.MessageIgnored("says nothing about an order")])
    assert foreign == Reject("channel account 'closed shop' is no longer configured", "unknown_account")


async def test_a_batchs_skus_are_looked_up_once_and_become_ours() -> None:
    world = World(channels={"shop", "own"}, mapped_accounts={"own"})
    world.skus.known = {"shop": {"SKU-1": (Component("OURS"),)}}
    sold = content(line(1, 1))
    messages = [
        channel_message(1, body=orjson.dumps(sold)),
        channel_message(2, body=orjson.dumps(replace(sold, account="own")), source="own"),
    ]
    renamed, unknown = [done(outcome).events[0].content for outcome in await normalise(messages, world.ports())]
    assert world.skus.asked == [{("shop", "SKU-1"), ("own", "SKU-1")}]
    assert [(each.sku, each.unmapped) for each in (*renamed.lines, *unknown.lines)] == [
        ("OURS", False),
        ("SKU-1", True),
    ]


# ------------------------------------------------------------------ deduplicate


async def only(world: World, *contents: object) -> Sequence[Outcome]:
    messages = [channel_message(number, said) for number, said in enumerate(contents, start=1)]  # type: ignore[arg-type]  # contents
    return await deduplicate(messages, world.ports())


async def test_a_new_sale_becomes_an_order_with_our_reference_and_its_correlation_id() -> None:
    (outcome,) = await only(World(), content())
    assert done(outcome).events == [ev.MessageProcessed()]
    born = done(outcome).about
    assert isinstance(born, Evolution)
    assert (born.order.reference, born.order.state) == ("K7Q2F-000000001", OrderState.RECEIVED)
    assert (born.order.correlation_id, born.order.message_id) == ("corr-1", 1)


async def test_a_whole_batch_is_looked_up_once() -> None:
    world = World()
    outcomes = await only(world, *(content(external_id=f"E{number}") for number in range(5)))
    assert world.shelf.asked == 1
    assert len({done(outcome).about.order.reference for outcome in outcomes}) == 5


async def test_the_same_sale_twice_in_one_batch_makes_one_order() -> None:
    first, second = await only(World(), content(), content(revision=101))
    assert isinstance(done(first).about, Evolution)
    assert second == Wait(NOW, "another message is just creating the order")


async def test_the_same_number_in_two_accounts_is_two_orders() -> None:
    first, second = await only(World(), content(), content(account="other"))
    assert done(first).about.order.id != done(second).about.order.id


async def test_a_newer_revision_of_a_known_order_changes_it() -> None:
    order, newer = order_after(), content(line(1, 5), revision=200)
    world = World()
    world.shelf.orders.append(order)
    (outcome,) = await only(world, newer)
    assert outcome == Done([ev.MessageProcessed(), ev.OrderRevised(200, 1)], about=order, content=newer)
    assert evolve(order, done(outcome).events[1:], newer).order.content is newer


async def test_an_older_and_an_equal_revision_of_a_known_order_change_nothing() -> None:
    world = World()
    world.shelf.orders.append(order_after())
    older, same = await only(world, content(revision=99), content())
    assert done(older).events == [ev.MessageProcessed(), ev.RevisionIgnored(99, 1, "older revision")]
    assert done(same).events == [ev.MessageProcessed(), ev.RevisionIgnored(100, 2, "same revision")]


async def test_a_cancel_of_an_order_on_its_way_is_taken_up() -> None:
    world = World()
    world.shelf.orders.append(booked_order())
    (outcome,) = await only(world, content(revision=200, cancelled=True))
    assert done(outcome).events == [ev.MessageProcessed(), ev.CancelRequested("channel", 1)]


async def test_an_edit_of_an_order_on_its_way_amends_it() -> None:
    world = World()
    world.shelf.orders.append(booked_order())
    newer = content(line(1, 1), revision=200)
    (outcome,) = await only(world, newer)
    assert done(outcome).events[1:] == [ev.OrderAmended(200, 1, (1,))]
    assert done(outcome).content is newer


async def test_an_edit_is_too_late_where_the_erp_takes_none_and_says_so() -> None:
    world = World()
    world.shelf.orders.append(booked_order())
    ports = replace(world.ports(), erp=replace(world.ports().erp, amendment=None))
    (outcome,) = await deduplicate([channel_message(1, content(line(1, 1), revision=200))], ports)
    assert done(outcome).events[1] == ev.RevisionIgnored(200, 1, "too late: the order is booked")


async def test_a_cancel_that_comes_before_its_order_makes_an_order_that_knows_it() -> None:
    (outcome,) = await only(World(), content(cancelled=True))
    assert done(outcome).about.order.content.cancelled
