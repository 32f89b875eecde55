"""The simulated channels behind the same suite: a connector must find in them what it finds in a vendor's stand-in."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_channel
from kept.domain.events import Package, ShippedLine
from kept.ports import Acknowledgement, CancelReason, Channel, ChannelCancel, Confirmation
from kept.settings import load_business, resolve_secret
from kept.simulator.books import CHANNEL_SCHEMA, Book
from kept.simulator.config import Delays, WorldConfig
from kept.simulator.demo import ACCOUNTS, demo_config
from kept.simulator.dialects import DIALECTS
from kept.simulator.driver import Driver
from kept.simulator.faults import Behaviour, FaultPlan
from kept.simulator.orders import Sale, make_sale
from kept.simulator.sender import Webhooks
from kept.simulator.times import moment
from kept.simulator.world import CHANNEL_APPS
from tests.conformance.operations import AT, KEY, PART, REFERENCE, Bench, Builder, Perform, connect
from tests.conformance.vendors import Vendor

SEED = 7
BOOKS: list[Book] = []  # opened by benches; the suite closes them
_TOKENS = ("/v3/token", "/auth/o2/token", "/admin/oauth/access_token")


class Simulated(Vendor):
    """A simulated channel with one sale, without a network."""

    def __init__(self, account: str, folder: Path) -> None:
        super().__init__()
        self.account = account
        at_once = Delays(cancel_job_s=0.0)  # what a job does later has tests of its own
        world = demo_config(
            folder / "world", accounts=(account,), seed=SEED, behaviour=Behaviour.calm(), delays=at_once
        )
        self.config: WorldConfig = world.config
        (folder / "kept.toml").write_text(world.kept_toml, encoding="utf-8")
        self.settings = load_business(folder / "kept.toml").channels[account]
        self.path = folder / "book.sqlite"
        self.book = Book(self.path, CHANNEL_SCHEMA)
        BOOKS.append(self.book)
        self.driver = Driver(self.config, self.book, Webhooks("http://kept.test", 1.0, 1), time.time)
        with sqlite3.connect(self.path) as db:
            self.driver.sell(range(1, 2), db)
            (made_at,) = db.execute("SELECT made_at FROM orders").fetchone()
        self.sale: Sale = make_sale(SEED, 1, moment(made_at))

    def transport(self) -> httpx2.MockTransport:
        mine = self.config.channels[self.account]
        app = CHANNEL_APPS[mine.type](
            self.account, self.book, resolve_secret(mine.token), FaultPlan(), time.time, self.driver
        )
        return httpx2.ASGITransport(app)  # type: ignore[return-value]  # a transport is all that is wanted of it

    def rows(self, table: str) -> int:
        connection = sqlite3.connect(self.path)
        try:
            number: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        finally:
            connection.close()
        return number

    def acknowledge(self) -> None:
        """As if it had been acknowledged before; where nobody waits for that, nothing."""
        with sqlite3.connect(self.path) as db:
            db.execute(
                "INSERT INTO acknowledgements VALUES (?, ?, '', '', '', ?)",
                (self.account, self.order_id, time.time()),
            )

    @property
    def order_id(self) -> str:
        return DIALECTS[ACCOUNTS[self.account]].order_id(1)

    def line_ids(self) -> dict[int, str]:
        dialect = DIALECTS[ACCOUNTS[self.account]]
        return {line.line_no: dialect.line_id(1, line.line_no) for line in self.sale.lines if line.requires_shipping}

    def pieces(self) -> dict[int, int]:
        return {line.line_no: line.wanted for line in self.sale.lines if line.requires_shipping}


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a channel is told, with what it is found by, and the table that it is put into."""

    of: Callable[[Channel, Simulated], tuple[Perform, Perform]]
    table: str
    acknowledged: bool = False


def _confirm(channel: Channel, vendor: Simulated) -> tuple[Perform, Perform]:
    port = channel.confirm
    assert port is not None
    skus = {line.line_no: line.item.sku for line in vendor.sale.lines}
    lines = tuple(ShippedLine(line_no, skus[line_no], pieces) for line_no, pieces in vendor.pieces().items())
    package = Package("006141411234567890", "UPS", "1Z999AA10123456784", 700, lines)
    told = Confirmation(REFERENCE, PART, vendor.order_id, AT, (package,), vendor.line_ids())
    return lambda: port.confirm(told, KEY), lambda: port.find(told)


def _cancel(channel: Channel, vendor: Simulated) -> tuple[Perform, Perform]:
    port = channel.cancel
    assert port is not None
    told = ChannelCancel(
        REFERENCE, vendor.order_id, CancelReason.OUT_OF_STOCK, vendor.line_ids(), vendor.pieces(), whole=True
    )
    return lambda: port.cancel(told, KEY), lambda: port.find_cancel(told)


def _acknowledge(channel: Channel, vendor: Simulated) -> tuple[Perform, Perform]:
    port = channel.acknowledge
    assert port is not None
    told = Acknowledgement(REFERENCE, vendor.order_id, vendor.line_ids(), vendor.pieces())
    return lambda: port.acknowledge(told, KEY), lambda: port.find_acknowledgement(told)


def _builder(account: str, operation: Operation) -> Builder:
    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        vendor = Simulated(account, folder)
        if operation.acknowledged:
            vendor.acknowledge()
        wire, targets = connect(vendor, clock, _changes)
        perform, find = operation.of(_channel(account, vendor, targets), vendor)
        return Bench(wire, targets, perform, find, lambda: vendor.rows(operation.table))

    return build


def _channel(account: str, vendor: Simulated, targets: HttpTargets) -> Channel:
    return build_channel(account, vendor.settings, targets)


def _changes(request: httpx2.Request) -> bool:
    """Whether a request changes something; fetching a token does not, nor does a GraphQL query."""
    if request.url.path in _TOKENS or request.method == "GET":
        return False
    return b"query" not in request.content or b"mutation" in request.content


def _fetch(name: Callable[[Simulated], str]) -> Builder:
    """A bench for reading one order that a message names."""

    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        vendor = Simulated("shop", folder)
        wire, targets = connect(vendor, clock, lambda request: request.url.path not in _TOKENS)
        port = _channel("shop", vendor, targets).fetch
        assert port is not None
        return Bench(wire, targets, lambda: port.fetch(name(vendor)))

    return build


_CONFIRM = Operation(_confirm, "fulfilments")
_CANCEL = Operation(_cancel, "cancellations")
SIMULATED: dict[str, Builder] = {
    "simulated inhouse.acknowledge": _builder("inhouse", Operation(_acknowledge, "acknowledgements")),
    "simulated inhouse.cancel": _builder("inhouse", _CANCEL),
    "simulated inhouse.confirm": _builder("inhouse", _CONFIRM),
    "simulated shopify.cancel": _builder("shop", _CANCEL),
    "simulated shopify.confirm": _builder("shop", _CONFIRM),
    "simulated amazon.confirm": _builder("marketplace", _CONFIRM),
    "simulated walmart.acknowledge": _builder("market", Operation(_acknowledge, "acknowledgements")),
    "simulated walmart.cancel": _builder("market", Operation(_cancel, "cancellations", acknowledged=True)),
    "simulated walmart.confirm": _builder("market", Operation(_confirm, "fulfilments", acknowledged=True)),
}
SIMULATED_READS: dict[str, Builder] = {
    "simulated shopify.fetch": _fetch(lambda vendor: f"gid://shopify/Order/{vendor.order_id}"),
    "simulated shopify.fetch_by_fulfilment_order": _fetch(
        lambda vendor: f"gid://shopify/FulfillmentOrder/{vendor.order_id}"
    ),
}
