"""Fetch: a message that only names an order becomes that order as it stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from kept.domain import events as ev
from kept.engine.outcome import Done, Reject
from kept.ports import Incoming, Polled, TemporaryFault
from kept.steps.fetch import fetch
from kept.steps.normalise import normalise
from kept.store.loading import encode_content
from tests.unit.domain.samples import content
from tests.unit.steps.world import World, channel_message


@dataclass
class Fetcher:
    """Orders by name; a message's body is the name that it gives."""

    orders: dict[str, bytes] = field(default_factory=dict)
    fault: TemporaryFault | None = None

    def names(self, message: Incoming) -> str:
        return message.headers.get("names", "")

    async def fetch(self, name: str) -> Polled | None:
        if self.fault is not None:
            raise self.fault
        return Polled(name, {}, self.orders[name]) if name in self.orders else None


NAMING = replace(channel_message(7), headers={"names": "E1"})


async def test_a_message_that_names_an_order_is_to_be_fetched_and_one_that_names_none_is_ignored() -> None:
    world = World(fetcher=Fetcher())
    named, silent = await normalise([NAMING, channel_message(8)], world.ports())
    assert isinstance(named, Done)
    assert named.events == [ev.OrderNamed()]
    assert isinstance(silent, Done)
    assert isinstance(silent.events[0], ev.MessageIgnored)
    (unable,) = await normalise([NAMING], World().ports())
    assert isinstance(unable, Done)
    assert isinstance(unable.events[0], ev.MessageIgnored)


async def test_what_is_fetched_is_read_as_if_it_had_come_by_itself() -> None:
    said = content()
    world = World(fetcher=Fetcher({"E1": encode_content(said)}))
    outcome = await fetch(NAMING, world.ports())
    assert isinstance(outcome, Done)
    assert outcome.events == [ev.MessageNormalised(said)]


async def test_an_order_that_the_channel_does_not_have_is_ignored_by_name() -> None:
    outcome = await fetch(NAMING, World(fetcher=Fetcher()).ports())
    assert isinstance(outcome, Done)
    assert outcome.events == [ev.MessageIgnored("the channel has no order of E1")]


async def test_an_order_that_can_t_be_read_is_a_dead_letter_and_a_channel_that_is_away_is_asked_again() -> None:
    outcome = await fetch(NAMING, World(fetcher=Fetcher({"E1": b"bad"})).ports())
    assert isinstance(outcome, Reject)
    assert outcome.code == "bad_message"
    with pytest.raises(TemporaryFault):
        await fetch(NAMING, World(fetcher=Fetcher(fault=TemporaryFault("away"))).ports())
    assert isinstance(await fetch(NAMING, World().ports()), Reject)
