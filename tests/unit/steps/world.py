"""A world for one step: instant parties, an effect book in memory, and orders to be found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson

from kept.domain.order import Address, OrderContent
from kept.domain.progress import Order
from kept.domain.routing import CentreProfile, Lane, RoutingPolicy, Service
from kept.domain.skus import Component
from kept.domain.subjects import Message
from kept.engine.interfaces import EffectStanding
from kept.ports import (
    Answer,
    BadMessage,
    BookedOrder,
    CentreEvent,
    CentreEventKind,
    Channel,
    ChannelCancel,
    ChannelCancelled,
    Effect,
    FetchOrder,
    Incoming,
    Intercept,
    InterceptAnswer,
    ItemCheck,
    PermanentFault,
    TemporaryFault,
)
from kept.simulator.instant import InstantCentre, InstantConfirmations, InstantErp
from kept.steps.ports import LabelPolicy, Ports
from tests.unit.domain.samples import INSTALLATION, NOW

DOCK = Address("Kept East", "1 Dock Rd", "", "Newark", "NJ", "07102", "US")
CENTRES = ("east", "west")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Performed:
    """What was asked of an effect."""

    effect: Effect
    searchable: bool
    honours_key: bool
    write_horizon: timedelta


@dataclass
class EffectBook:
    """Performs effects at once, each key once. `answers` are adopted in place of a call."""

    performed: list[Performed] = field(default_factory=list)
    answers: dict[str, object] = field(default_factory=dict)

    async def perform(
        self,
        effect: Effect,
        send: Callable[[], Awaitable[Answer]],
        *,
        answer_type: type[Answer],
        find: Callable[[], Awaitable[Answer | None]] | None,
        honours_key: bool,
        write_horizon: timedelta = timedelta(0),
    ) -> Answer:
        orjson.dumps(effect.request, option=orjson.OPT_NON_STR_KEYS)  # what can't be hashed can't be performed
        self.performed.append(Performed(effect, find is not None, honours_key, write_horizon))
        if effect.key not in self.answers:
            self.answers[effect.key] = await send()
        answer = self.answers[effect.key]
        assert isinstance(answer, answer_type)
        return answer

    @property
    def keys(self) -> list[str]:
        return [one.effect.key for one in self.performed]


@dataclass
class Items:
    """What the ERP says of SKUs; what is not named is sold."""

    unknown: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    prices: dict[str, int] = field(default_factory=dict)
    lately: bool = False

    async def known_lately(self, skus: Sequence[str]) -> bool:
        return self.lately

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        self.asked.append(tuple(skus))
        return [
            ItemCheck(sku, sku not in self.unknown, sku not in self.unknown | self.blocked, self.prices.get(sku), "USD")
            for sku in skus
        ]


@dataclass
class Shelf:
    """Orders to be found, and how often it was asked."""

    orders: list[Order] = field(default_factory=list)
    asked: int = 0

    async def by_external(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Order]:
        self.asked += 1
        found = {(order.content.account, order.content.external_id): order for order in self.orders}
        return {key: found[key] for key in keys if key in found}

    async def by_references(self, references: Sequence[str]) -> dict[str, Order]:
        self.asked += 1
        return {order.reference: order for order in self.orders if order.reference in references}


@dataclass
class Stock:
    """Pieces that may be promised."""

    pieces: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: list[set[str]] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)

    async def available(self, skus: Iterable[str]) -> dict[tuple[str, str], int]:
        self.asked.append(set(skus))
        return {key: pieces for key, pieces in self.pieces.items() if key[1] in self.asked[-1]}

    async def paused(self) -> dict[str, str]:
        return self.closed

    async def booked(self, policy: RoutingPolicy, now: datetime) -> dict[tuple[str, date], int]:
        return {}


@dataclass
class Standings:
    """Where effects stand."""

    of: dict[str, EffectStanding] = field(default_factory=dict)

    async def standing(self, key: str) -> EffectStanding | None:
        return self.of.get(key)


@dataclass
class Numbers:
    """1, 2, 3, ..."""

    last: int = 0

    async def take(self, count: int) -> list[int]:
        first, self.last = self.last + 1, self.last + count
        return list(range(first, self.last + 1))


@dataclass
class Interceptor:
    """A centre's answer to being asked to stop."""

    answer: InterceptAnswer = InterceptAnswer.CANCELLED
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def intercept(self, reference: str, key: str) -> Intercept:
        self.asked.append((reference, key))
        return Intercept(self.answer)


@dataclass
class Skus:
    """The SKU map."""

    known: dict[str, dict[str, tuple[Component, ...]]] = field(default_factory=dict)
    asked: list[set[tuple[str, str]]] = field(default_factory=list)

    async def components(self, asked: Iterable[tuple[str, str]]) -> dict[str, dict[str, tuple[Component, ...]]]:
        self.asked.append(set(asked))
        return self.known


@dataclass
class Canceller:
    """A channel's end for our cancels. `refusal` is what it raises, `known` what it finds."""

    honours_key: bool = True
    write_horizon: timedelta = field(default_factory=timedelta)
    refusal: PermanentFault | None = None
    known: ChannelCancelled | None = None
    answer: ChannelCancelled = field(default_factory=lambda: ChannelCancelled("X-1"))
    told: list[ChannelCancel] = field(default_factory=list)

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled:
        self.told.append(cancel)
        if self.refusal is not None:
            raise self.refusal
        return self.answer

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None:
        return self.known


@dataclass
class Jobs:
    """Cancels that a channel does later; none is finished until it is `done`."""

    done: ChannelCancelled | None = None
    looked: list[str] = field(default_factory=list)

    async def finished(self, cancel: ChannelCancel, job_id: str) -> ChannelCancelled:
        self.looked.append(job_id)
        if self.done is None:
            raise TemporaryFault("it is under way")
        return self.done


@dataclass
class World:
    """Everything a step may ask, with the fakes at hand."""

    clock: Clock = field(default_factory=Clock)
    erp: InstantErp = field(default_factory=InstantErp)
    items: Items = field(default_factory=Items)
    skus: Skus = field(default_factory=Skus)
    mapped_accounts: set[str] = field(default_factory=set)
    cancel_on_request: set[str] = field(default_factory=set)
    canceller: Canceller | None = None
    cancel_jobs: Jobs | None = None
    fetcher: FetchOrder | None = None
    shelf: Shelf = field(default_factory=Shelf)
    stock: Stock = field(default_factory=Stock)
    standings: Standings = field(default_factory=Standings)
    book: EffectBook = field(default_factory=EffectBook)
    told: InstantConfirmations | None = field(default_factory=InstantConfirmations)
    interceptor: Interceptor = field(default_factory=Interceptor)
    delivered: list[tuple[str, str, bytes]] = field(default_factory=list)
    centres: dict[str, InstantCentre] = field(default_factory=dict)
    channels: set[str] = field(default_factory=lambda: {"shop"})
    order_ids: Numbers = field(default_factory=Numbers)
    serials: Numbers = field(default_factory=Numbers)

    def __post_init__(self) -> None:
        def deliver(centre: str, key: str, body: bytes) -> None:
            self.delivered.append((centre, key, body))

        for name in CENTRES:
            self.centres[name] = InstantCentre(name, deliver, self.clock)

    def ports(self) -> Ports:
        return Ports(
            clock=self.clock,
            channels={
                name: Channel(
                    name,
                    _trust,
                    lambda message: "",
                    _normalise,
                    self.told,
                    cancel=self.canceller,
                    cancel_jobs=self.cancel_jobs,
                    fetch=self.fetcher,
                )
                for name in sorted(self.channels)
            },
            centres={
                name: replace(centre.port(), intercepts=self.interceptor) for name, centre in self.centres.items()
            },
            centre_addresses=dict.fromkeys(self.centres, DOCK),
            erp=self.erp.port(),
            items=self.items,
            skus=self.skus,
            mapped_accounts=frozenset(self.mapped_accounts),
            cancel_on_request=frozenset(self.cancel_on_request),
            orders=self.shelf,
            availability=self.stock,
            effect_standings=self.standings,
            order_ids=self.order_ids,
            serials=self.serials,
            installation=INSTALLATION,
            routing=RoutingPolicy("cheapest", tuple(_profile(name) for name in self.centres), parts_max=2),
            labels=LabelPolicy("0614141", 1),
            effects=self.book,
        )


def _profile(name: str) -> CentreProfile:
    service = Service("ground", Lane(3, 500 if name == "east" else 600))
    return CentreProfile(name, "US", ZoneInfo("America/New_York"), time(17), 0, frozenset(range(7)), (service,))


def _trust(message: Incoming, now: datetime) -> None:
    """A test has nobody to doubt."""


def _normalise(account: str, message: Incoming, received_at: datetime) -> OrderContent | None:
    """A dialect of which every word is the order's JSON, "bad", or nothing."""
    if message.body == b"bad":
        raise BadMessage("no order", where="$.lines")
    return msgspec.json.decode(message.body, type=OrderContent) if message.body else None


def channel_message(
    number: int, said: OrderContent | None = None, *, body: bytes = b"", source: str = "shop"
) -> Message:
    """A channel's message, normalised if its content is given."""
    return Message(number, source, {}, body, NOW, f"corr-{number}", said)


def centre_message(
    number: int, kind: CentreEventKind, reference: str, *, source: str = "east", **changes: Any
) -> Message:
    """A centre's message as the instant centre writes it."""
    event = replace(CentreEvent(kind, reference, datetime(2026, 3, 2, 15, tzinfo=UTC)), **changes)
    return Message(number, source, {}, orjson.dumps(event), NOW, f"corr-{number}")


def booked(reference: str, total_minor: int, currency: str = "USD") -> BookedOrder:
    return BookedOrder(f"SO-{reference}", total_minor, currency)
