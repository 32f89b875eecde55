"""The work of the eight steps, alike for all peers: Kept's own step functions between parties that answer at once.

A step reads the order as the last one left it, works, and writes state, order, fact and documents in one
transaction: two round trips, the fewest that code can do which looks before it writes. The peers have it easier
than Kept, which also keeps an inbox, writes an intent ahead of each call, reserves stock, takes the centre's
messages as messages of their own, and posts the shipment in the ERP.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import orjson
import psycopg

from bench.instant_world import ACCOUNT, CENTRES, instant_parties
from kept.domain.events import MessageNormalised
from kept.domain.keys import order_reference
from kept.domain.progress import Order, evolve, received
from kept.domain.skus import SkuMap
from kept.domain.subjects import Message, PartOf
from kept.engine.outcome import Document, Done, Outcome
from kept.ports import Answer, Effect
from kept.processes.assembly import CachedItems, utc_now
from kept.simulator.instant import InstantErp
from kept.steps.advise import advise
from kept.steps.book import book
from kept.steps.confirm import confirm
from kept.steps.label import label
from kept.steps.normalise import normalise
from kept.steps.ports import Ports
from kept.steps.receive import receive
from kept.steps.release import release
from kept.steps.route import route
from kept.steps.validate import validate

_NOW = datetime.now().astimezone()  # every order came when the process began
_decode = msgspec.json.Decoder(Order).decode
Made = tuple[Order, list[Document]]


def advance(connection: psycopg.Connection, order_id: int, step: int) -> None:
    """Take the order from `step - 1` to `step`; do nothing if it is there already, as when a task comes twice."""
    row = connection.execute(_READ, (order_id, step - 1), prepare=True).fetchone()
    if row is None:
        return
    order, documents = _STEPS[step - 1](order_id, *row)
    connection.execute(
        _WRITE,
        {
            "id": order_id,
            "step": step,
            "state": order.state.value,
            "document": orjson.dumps(order),
            "kinds": [document.media_type for document in documents],
            "contents": [document.content for document in documents],
        },
        prepare=True,
    )


_READ = "SELECT body, document FROM peer_orders WHERE id = %s AND step = %s"
_WRITE = """
WITH advanced AS (
    UPDATE peer_orders SET step = %(step)s, state = %(state)s, document = %(document)s, updated_at = clock_timestamp()
    WHERE id = %(id)s AND step = %(step)s - 1
    RETURNING id, step, state, updated_at
), documented AS (
    INSERT INTO peer_documents (order_id, seq, media_type, content)
    SELECT a.id, a.step, d.media_type, d.content
    FROM advanced a, unnest(%(kinds)s::text[], %(contents)s::bytea[]) AS d(media_type, content)
)
INSERT INTO peer_events (order_id, seq, type, at) SELECT id, step, state, updated_at FROM advanced
"""

# ------------------------------------------------------------------ the steps


class _Plenty:
    """Stock that never ends, SKUs that are ours and sold, and numbers that never repeat within an order."""

    async def good(self, skus: Sequence[str]) -> None:
        """The ERP is never down here: nobody has to remember what it said."""

    async def not_good(self, skus: Sequence[str]) -> None:
        """Likewise."""

    async def were_good(self, skus: Sequence[str], within: timedelta) -> bool:
        return True

    async def available(self, skus: Iterable[str]) -> dict[tuple[str, str], int]:
        return {(centre, sku): 1_000_000 for sku in skus for centre in CENTRES}

    async def components(self, asked: Iterable[tuple[str, str]]) -> dict[str, SkuMap]:
        return {}

    async def take(self, count: int) -> list[int]:
        return list(range(1, count + 1))


class _Unrecorded:
    """Effects that are just sent: a task that comes twice sends twice, and the key makes that harmless."""

    async def perform(self, effect: Effect, send: Callable[[], Coroutine[Any, Any, Answer]], **_: object) -> Answer:
        return await send()


class _Told:
    """What the centres say, until it is read; and the one order that it is about."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.order: Order | None = None

    def deliver(self, centre: str, key: str, body: bytes) -> None:
        self.messages.append(Message(len(self.messages), centre, {}, body, _NOW, key))

    async def by_references(self, references: Sequence[str]) -> dict[str, Order]:
        assert self.order is not None
        return {self.order.reference: self.order}


_told = _Told()


@functools.cache
def _ports() -> Ports:
    return instant_parties(
        _told.deliver,
        clock=utc_now,
        orders=_told,
        items=CachedItems(InstantErp(), _Plenty()),
        skus=_Plenty(),
        availability=_Plenty(),
        serials=_Plenty(),
        order_ids=_Plenty(),
        effect_standings=None,
        effects=_Unrecorded(),
        installation="PEER",
    )


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise RuntimeError("an instant party waited")


def _done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def _normalise(order_id: int, body: bytes, _: bytes | None) -> Made:
    message = Message(order_id, ACCOUNT, {"x-shopify-topic": "orders/create"}, body, _NOW, f"order-{order_id}")
    event = _done(_at_once(normalise([message], _ports()))[0]).events[0]
    assert isinstance(event, MessageNormalised)
    reference = order_reference("PEER", order_id)
    return received(order_id, reference, message.correlation_id, event.content, order_id).order, []


def _of_order(step: Callable[[Order, Ports], Coroutine[Any, Any, Outcome]]) -> Callable[..., Made]:
    def work(_: int, __: bytes, document: bytes) -> Made:
        order = _decode(document)
        return evolve(order, _done(_at_once(step(order, _ports()))).events).order, []

    return work


async def _route(order: Order, ports: Ports) -> Outcome:
    return (await route([order], ports))[0]


async def _label(subject: PartOf, ports: Ports) -> Outcome:
    return (await label([subject], ports))[0]


async def _advise(subject: PartOf, ports: Ports) -> Outcome:
    return (await advise([subject], ports))[0]


def _of_parts(step: Callable[[PartOf, Ports], Coroutine[Any, Any, Outcome]]) -> Callable[..., Made]:
    def work(_: int, __: bytes, document: bytes) -> Made:
        order: Order = _decode(document)
        documents: list[Document] = []
        for part in order.parts:
            outcome = _done(_at_once(step(PartOf(order, part.number), _ports())))
            order = evolve(order, outcome.events).order
            documents += outcome.documents
        return order, documents

    return work


def _release(order_id: int, body: bytes, document: bytes) -> Made:
    """Ask the centre, and take what it says at once as this step's own."""
    order, documents = _of_parts(release)(order_id, body, document)
    messages, _told.messages, _told.order = _told.messages, [], order
    for outcome in _at_once(receive(messages, _ports())):
        order = evolve(order, _done(outcome).events[1:]).order
    return order, documents


_STEPS: tuple[Callable[..., Made], ...] = (
    _normalise,
    _of_order(validate),
    _of_order(_route),
    _of_order(book),
    _of_parts(_label),
    _release,
    _of_parts(_advise),
    _of_parts(confirm),
)
