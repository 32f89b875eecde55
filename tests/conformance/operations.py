"""Every operation of every port, over every connector, in one form that the suite can run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import unquote

import httpx2

from kept.connectors.erps.rest.offered import OFFERS
from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_centre, build_channel, build_erp
from kept.domain.events import Package, ShippedLine
from kept.domain.order import Address
from kept.ports import (
    Acknowledgement,
    AcknowledgeOrder,
    CancelAtChannel,
    CancelReason,
    Centre,
    Channel,
    ChannelCancel,
    Confirmation,
    ConfirmShipment,
    Erp,
    FulfilmentRequest,
    PushStock,
    RequestLine,
    SalesOrder,
    SalesOrderLine,
    ShipmentPosting,
    StockOffer,
)
from kept.settings import AddressSettings, CentreSettings, ChannelSettings, ErpSettings, ServiceSettings
from tests.conformance import amazon, walmart
from tests.conformance.vendors import FakeCentre, FakeErp, FakeInhouse, FakeShop, Vendor
from tests.conformance.wire import NO_LIMITS, Beside, Wire
from tests.erps import business_central_standin as central
from tests.erps import erpnext_standin as erpnext
from tests.erps import netsuite_standin as netsuite
from tests.erps import odoo_standin as odoo
from tests.erps import sap_s4_standin as sap_s4

AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
KEY = "K7Q2F-000000123:step:1"
REFERENCE = "K7Q2F-000000123"
PART = "K7Q2F-000000123-1"
ADDRESS = Address("Zoë Weiß", "Quai 1", "", "Lyon", "", "69002", "FR")
PACKAGE = Package("006141411234567890", "UPS", "1Z999", 700, (ShippedLine(1, "S1", 2), ShippedLine(2, "S2", 3)))
ORDER = SalesOrder(
    REFERENCE,
    "shop",
    "#1001",
    "C-1",
    "EUR",
    AT,
    ADDRESS,
    (SalesOrderLine(1, "S1", 2, 1000, 0, 100, free=False),),
    500,
    0,
    2600,
    tax_included=False,
    version=1,
)
POSTING = ShipmentPosting(REFERENCE, PART, AT, (PACKAGE,))
REQUEST = FulfilmentRequest(PART, REFERENCE, "ground", AT, ADDRESS, PACKAGE.sscc, "ab" * 32, (RequestLine(1, "S1", 2),))
LINE_IDS, PIECES = {1: "11", 2: "12"}, {1: 2, 2: 3}
ACKNOWLEDGEMENT = Acknowledgement(REFERENCE, "5001", LINE_IDS, PIECES)
WHOLE_CANCEL = ChannelCancel(REFERENCE, "5001", CancelReason.OUT_OF_STOCK, LINE_IDS, PIECES, whole=True)
PART_CANCEL = ChannelCancel(REFERENCE, "5001", CancelReason.BUYER, LINE_IDS, {2: 1}, whole=False)
CONFIRMATION = Confirmation(REFERENCE, PART, "5001", AT, (PACKAGE,), {1: "11", 2: "12"})
TIMEOUT_S = 5.0
CENTRAL_POSTING = replace(POSTING, packages=(replace(PACKAGE, lines=PACKAGE.lines[:1]),))  # ORDER has one line
ODOO_ORDER = replace(ORDER, customer_id="1")
S4_ORDER = replace(ORDER, customer_id="1000001")
SUITE_ORDER = replace(ORDER, customer_id="900")
AT_ONCE = 3
# ORDER as Business Central has it, tax on an account: lines n x 10,000, their tax behind them, shipping at the end.
CENTRAL_BOOKED = central.order_json(
    REFERENCE,
    "C-1",
    [
        central.comment_json(f"Kept {REFERENCE} version 1"),
        central.line_json(10_000, "Item", "S1", 2, 10.0),
        central.line_json(10_001, "Account", "2300", 2, 0.5),
        central.line_json(90_000_000, "Account", "6710", 1, 5.0),
    ],
)

T = TypeVar("T")
Perform = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Bench:
    """One operation, ready to run. `find` and `documents` are None for what only reads."""

    wire: Wire
    targets: HttpTargets
    perform: Perform
    find: Perform | None = None
    documents: Callable[[], int] | None = None
    honours_key: bool = True
    key_travels: bool = True
    token: str = "token-of-"  # what every call shows in a header
    timeout_s: float | None = None  # the calls' own deadline, where it is not what the suite asked for


class Counts(Protocol):
    """What counts the documents that it made."""

    def count(self, kind: str) -> int: ...


class StandIn(Counts, Protocol):
    """A vendor with a memory, in which ORDER can be booked beforehand."""

    def transport(self) -> httpx2.AsyncBaseTransport: ...

    def book(self, reference: str) -> None: ...


Builder = Callable[[Path, Callable[[], float], float], Bench]


class Offer(Protocol):
    """Makes the bench of one operation."""

    def __call__(
        self, of: Callable[[Erp], tuple[Perform, Perform | None]], kind: str = "", hits: str = ""
    ) -> Builder: ...


def erp(of: Callable[[Erp], tuple[Perform, Perform | None]], kind: str = "", *, key_travels: bool = True) -> Builder:
    """A bench for an operation of the REST ERP; `kind` is the document that it makes."""

    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        vendor = FakeErp()
        wire, targets = connect(vendor, clock, lambda request: True)
        settings = ErpSettings("rest", "http://erp.test", secret(folder, "erp"), timeout_s, AT_ONCE, offers=OFFERS)
        perform, find = of(build_erp("main", settings, targets))
        return bench(wire, targets, perform, find, vendor, kind, key_travels=key_travels)

    return build


def there(port: T | None) -> T:
    assert port is not None, "the bench's ERP offers everything"
    return port


def centre(of: Callable[[Centre], tuple[Perform, Perform | None]], kind: str = "") -> Builder:
    """A bench for an operation of the REST centre."""

    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        vendor = FakeCentre()
        wire, targets = connect(vendor, clock, lambda request: True)
        settings = CentreSettings(
            "rest",
            "UTC",
            "16:00",
            AddressSettings("East", "1 Dock Rd", "Newark", "07102", "US"),
            (ServiceSettings("ground", 4, 700, 90),),
            base_url="http://centre.test",
            token=secret(folder, "centre"),
            webhook_secrets=(secret(folder, "webhook", "whsec_c2VjcmV0"),),
            timeout_s=timeout_s,
            requests_at_once=AT_ONCE,
        )
        perform, find = of(build_centre("east", settings, targets))
        return bench(wire, targets, perform, find, vendor, kind)

    return build


def channel(kind: str, vendor_type: Callable[[], Vendor]) -> Builder:
    """A bench for confirming a shipment to a channel of type `kind`."""

    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        vendor = vendor_type()
        wire, targets = connect(vendor, clock, _changes)
        settings = ChannelSettings(
            kind,
            "http://channel.test",
            (secret(folder, "webhook", "whsec_c2VjcmV0"),),
            secret(folder, "channel"),
            timeout_s,
            AT_ONCE,
        )
        port: ConfirmShipment | None = build_channel("shop", settings, targets).confirm
        assert port is not None
        made = bench(
            wire,
            targets,
            lambda: port.confirm(CONFIRMATION, KEY),
            lambda: port.find(CONFIRMATION),
            vendor,
            "confirmations",
        )
        made.honours_key = port.honours_key
        return made

    return build


def market(
    of: Callable[[Channel], tuple[Perform, Perform | None]], kind: str, status: str = walmart.ACKNOWLEDGED
) -> Builder:
    """A bench for an operation of a Walmart seller, whose order is in `status`. Tokens are fetched beside the wire."""

    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        vendor = walmart.FakeWalmart(status)
        wire = Wire(vendor.transport(), lambda request: request.method != "GET")
        settings = ChannelSettings(
            "walmart",
            "http://channel.test",
            timeout_s=timeout_s,
            requests_at_once=AT_ONCE,
            token_url=f"http://{walmart.TOKEN_HOST}",
            client_id="app",
            client_secret=secret(folder, "client"),
        )
        targets = HttpTargets(transport=Beside(wire, vendor.transport(), "channel.test"), clock=clock, shared=NO_LIMITS)
        perform, find = of(build_channel("shop", settings, targets))
        return bench(wire, targets, perform, find, vendor, kind)

    return build


def seller(of: Callable[[Channel], tuple[Perform, Perform | None]], kind: str, hits: str = "") -> Builder:
    """A bench for an operation of an Amazon account. Tokens are fetched beside the wire, and uploads made there:
    they have tests of their own. `hits` is the end of the paths that troubles may befall.
    """

    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        vendor = amazon.FakeAmazon()
        wire = Wire(vendor.transport(), lambda request: request.url.path.endswith(hits) and request.method != "GET")
        settings = ChannelSettings(
            "amazon",
            "http://channel.test",
            token=secret(folder, "channel"),
            timeout_s=timeout_s,
            requests_at_once=AT_ONCE,
            token_url=amazon.TOKEN_URL,
            client_id="app",
            client_secret=secret(folder, "client"),
            seller_id="A1SELLER",
            marketplaces=(amazon.MARKETPLACE,),
        )
        targets = HttpTargets(transport=Beside(wire, vendor.transport(), "channel.test"), clock=clock, shared=NO_LIMITS)
        perform, find = of(build_channel("shop", settings, targets))
        made = bench(wire, targets, perform, find, vendor, kind)
        made.key_travels = kind != "cancels"  # the last call of a cancel looks whether it is done
        return made

    return build


def told(
    type_name: str,
    vendor_type: Callable[[], Vendor],
    of: Callable[[Channel], tuple[Perform, Perform | None]],
    kind: str,
) -> Builder:
    """A bench for what else a channel is told; `kind` is the document that it makes."""

    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        vendor = vendor_type()
        wire, targets = connect(vendor, clock, _changes)
        settings = ChannelSettings(
            type_name,
            "http://channel.test",
            (secret(folder, "webhook", "whsec_c2VjcmV0"),),
            secret(folder, "channel"),
            timeout_s,
            AT_ONCE,
        )
        perform, find = of(build_channel("shop", settings, targets))
        return bench(wire, targets, perform, find, vendor, kind)

    return build


def company(of: Callable[[Erp], tuple[Perform, Perform | None]], kind: str = "", hits: str = "") -> Builder:
    """A bench for an operation of Business Central, where ORDER is booked unless `kind` is "salesOrders".

    Tokens are fetched beside the wire. `hits` is the end of the paths that troubles may befall.
    """

    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        vendor = central.Central()
        wire = Wire(
            vendor.transport(),
            lambda request: request.url.path.endswith(hits) and (not hits or request.method != "GET"),
        )
        settings = ErpSettings(
            "business_central",
            central.BASE_URL,
            secret(folder, "erp"),
            timeout_s,
            AT_ONCE,
            options={
                "company": central.COMPANY,
                "client_id": "app",
                "token_url": central.TOKEN_URL,
                "currency": "EUR",
                "unit": "PCS",
                "shipping_account": "6710",
                "tax_account": "2300",
                "no_tax_code": "NOTAX",
            },
        )
        targets = HttpTargets(transport=Beside(wire, vendor.transport(), central.HOST), clock=clock, shared=NO_LIMITS)
        if kind != "salesOrders":
            vendor.add_order(CENTRAL_BOOKED)
        perform, find = of(build_erp("main", settings, targets))
        made = bench(wire, targets, perform, find, vendor, kind, key_travels=False)  # the last call looks what is there
        made.honours_key = False
        return made

    return build


def stood_in_for(
    type_name: str,
    vendor_type: Callable[[], StandIn],
    base_url: str,
    options: Mapping[str, str],
    *,
    honours_key: bool = True,
    shown: str = "token-of-",
    key: str = "",
    tokens_at: str = "",
) -> Offer:
    """What makes the benches of an ERP's operations, over a stand-in in which `book` of it books ORDER beforehand
    unless the kind of document is "bookings". `hits` is the end of the calls that troubles may befall, `shown` is what
    every call shows in a header, `key` the secret where it must be a real one, `tokens_at` the path where tokens are
    fetched, beside the wire."""

    def offer(of: Callable[[Erp], tuple[Perform, Perform | None]], kind: str = "", hits: str = "") -> Builder:
        def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
            vendor = vendor_type()
            if kind != "bookings":
                vendor.book(REFERENCE)
            wire = Wire(
                vendor.transport(), lambda request: f"{request.method} {unquote(request.url.path)}".endswith(hits)
            )
            transport = Beside(wire, vendor.transport(), "erp.test", but=tokens_at)
            targets = HttpTargets(transport=transport, clock=clock, shared=NO_LIMITS)
            settings = ErpSettings(type_name, base_url, secret(folder, "erp", key), timeout_s, AT_ONCE, options=options)
            perform, find = of(build_erp("main", settings, targets))
            # The last call looks what is there, and so carries no key.
            made = bench(wire, targets, perform, find, vendor, kind, key_travels=False)
            made.honours_key, made.token = honours_key, shown
            return made

        return build

    return offer


database = stood_in_for(
    "odoo",
    odoo.Odoo,
    odoo.BASE_URL,
    {
        "database": odoo.DATABASE,
        "pricelists": "EUR=2",
        "shipping_sku": "SHIPPING",
        "discount_sku": "DISCOUNT",
        "tax_sku": "TAX",
    },
)
site = stood_in_for(
    "erpnext",
    erpnext.Next,
    erpnext.BASE_URL,
    {
        "api_key": erpnext.API_KEY,
        "company": "Kept Ltd",
        "currencies": "EUR",
        "shipping_account": "Shipping - K",
        "tax_account": "Tax - K",
        "discount_account": "Discount - K",
        "warehouse": "Stores - K",
    },
)


system = stood_in_for(
    "sap_s4",
    sap_s4.S4,
    sap_s4.BASE_URL,
    {
        "user": sap_s4.USER,
        "sales_organization": "1010",
        "shipping_point": "1010",
        "plant": "1010",
        "currencies": "EUR",
        "price_condition": "PMP0",
        "discount_condition": "DRV1",
        "tax_condition": "ZTAX",
        "shipping_material": "SHIP",
        "rejection_reason": "Z1",
        "customer_grouping": "BPEE",
    },
    honours_key=False,
    shown=sap_s4.BASIC,
)


suite = stood_in_for(
    "netsuite",
    netsuite.Suite,
    netsuite.BASE_URL,
    netsuite.OPTIONS,
    key=netsuite.private_key(),
    tokens_at=netsuite.TOKEN_PATH,
)


def told_acknowledgement(channel: Channel) -> tuple[Perform, Perform]:
    port: AcknowledgeOrder | None = channel.acknowledge
    assert port is not None
    return lambda: port.acknowledge(ACKNOWLEDGEMENT, KEY), lambda: port.find_acknowledgement(ACKNOWLEDGEMENT)


def told_cancel(cancel: ChannelCancel) -> Callable[[Channel], tuple[Perform, Perform | None]]:
    def of(channel: Channel) -> tuple[Perform, Perform | None]:
        port: CancelAtChannel | None = channel.cancel
        assert port is not None
        return lambda: port.cancel(cancel, KEY), (lambda: port.find_cancel(cancel)) if cancel.whole else None

    return of


def told_stock(channel: Channel) -> tuple[Perform, None]:
    port: PushStock | None = channel.push_stock
    assert port is not None
    return lambda: port.push([StockOffer("S1", 7), StockOffer("NO", 1)], KEY), None


def connect(
    vendor: Vendor, clock: Callable[[], float], hits: Callable[[httpx2.Request], bool]
) -> tuple[Wire, HttpTargets]:
    wire = Wire(vendor.transport(), hits)
    return wire, HttpTargets(transport=wire, clock=clock, shared=NO_LIMITS)


def bench(
    wire: Wire,
    targets: HttpTargets,
    perform: Perform,
    find: Perform | None,
    vendor: Counts,
    kind: str,
    *,
    key_travels: bool = True,
) -> Bench:
    documents = (lambda: vendor.count(kind)) if kind else None
    return Bench(wire, targets, perform, find, documents, key_travels=key_travels)


def secret(folder: Path, name: str, value: str = "") -> str:
    """A `file:` reference to a secret made for the test."""
    path = folder / name
    path.write_text(value or f"token-of-{name}", encoding="utf-8")
    return f"file:{path}"


def _changes(request: httpx2.Request) -> bool:
    """Whether a request to a channel changes something: GraphQL queries are POSTs as well."""
    return request.method == "POST" and (b"query" not in request.content or b"mutation" in request.content)


def told_shipment(channel: Channel) -> tuple[Perform, Perform]:
    port = channel.confirm
    assert port is not None
    return lambda: port.confirm(CONFIRMATION, KEY), lambda: port.find(CONFIRMATION)


WRITES: dict[str, Builder] = {
    "erp.book": erp(
        lambda erp: (lambda: erp.booking.book(ORDER, KEY), lambda: erp.booking.find_order(REFERENCE)), "orders"
    ),
    "erp.post_shipment": erp(
        lambda erp: (
            lambda: erp.shipments.post_shipment(POSTING, KEY),
            lambda: erp.shipments.find_shipment(POSTING),
        ),
        "shipments",
    ),
    "erp.amend": erp(
        lambda erp: (lambda: there(erp.amendment).amend(replace(ORDER, version=2), KEY), None), "amendments"
    ),
    "erp.invoice": erp(
        lambda erp: (
            lambda: there(erp.invoices).invoice(POSTING, KEY),
            lambda: there(erp.invoices).find_invoice(POSTING),
        ),
        "invoices",
    ),
    "erp.withdraw": erp(lambda erp: (lambda: erp.withdrawal.withdraw(REFERENCE, KEY), None), "withdrawals"),
    "erp.resolve_customer": erp(
        lambda erp: (lambda: erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS), None),
        "customers",
        key_travels=False,  # a PUT under a name that is the key
    ),
    "business_central.book": company(
        lambda erp: (lambda: erp.booking.book(ORDER, KEY), lambda: erp.booking.find_order(REFERENCE)),
        "salesOrders",
        "/salesOrders",
    ),
    "business_central.post_shipment": company(
        lambda erp: (
            lambda: erp.shipments.post_shipment(CENTRAL_POSTING, KEY),
            lambda: erp.shipments.find_shipment(CENTRAL_POSTING),
        ),
        "salesShipments",
        "/Microsoft.NAV.shipAndInvoice",
    ),
    "business_central.amend": company(
        lambda erp: (lambda: there(erp.amendment).amend(replace(ORDER, version=2), KEY), None), "amendments", ")"
    ),
    "business_central.withdraw": company(
        lambda erp: (lambda: erp.withdrawal.withdraw(REFERENCE, KEY), None), "withdrawals", ")"
    ),
    "business_central.resolve_customer": company(
        lambda erp: (lambda: erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS), None),
        "customers_made",
        "/customers",
    ),
    "odoo.book": database(
        lambda erp: (lambda: erp.booking.book(ODOO_ORDER, KEY), lambda: erp.booking.find_order(REFERENCE)),
        "bookings",
        "/action_confirm",
    ),
    "odoo.post_shipment": database(
        lambda erp: (
            lambda: erp.shipments.post_shipment(CENTRAL_POSTING, KEY),
            lambda: erp.shipments.find_shipment(CENTRAL_POSTING),
        ),
        "shipments",
        "/button_validate",
    ),
    "odoo.amend": database(
        lambda erp: (lambda: there(erp.amendment).amend(replace(ODOO_ORDER, version=2), KEY), None),
        "amendments",
        "/sale.order/write",
    ),
    "odoo.withdraw": database(
        lambda erp: (lambda: erp.withdrawal.withdraw(REFERENCE, KEY), None), "withdrawals", "/action_cancel"
    ),
    "odoo.resolve_customer": database(
        lambda erp: (lambda: erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS), None),
        "customers",
        "/res.partner/load",
    ),
    "erpnext.book": site(
        lambda erp: (lambda: erp.booking.book(ORDER, KEY), lambda: erp.booking.find_order(REFERENCE)),
        "bookings",
        "PUT /api/resource/Sales Order/SO-00001",
    ),
    "erpnext.post_shipment": site(
        lambda erp: (
            lambda: erp.shipments.post_shipment(CENTRAL_POSTING, KEY),
            lambda: erp.shipments.find_shipment(CENTRAL_POSTING),
        ),
        "Delivery Note",
        "POST /api/resource/Delivery Note",
    ),
    "erpnext.withdraw": site(
        lambda erp: (lambda: erp.withdrawal.withdraw(REFERENCE, KEY), None),
        "withdrawals",
        "PUT /api/resource/Sales Order/SO-00001",
    ),
    "erpnext.resolve_customer": site(
        lambda erp: (lambda: erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS), None),
        "customers",
        "POST /api/resource/Customer",
    ),
    "sap_s4.book": system(
        lambda erp: (lambda: erp.booking.book(S4_ORDER, KEY), lambda: erp.booking.find_order(REFERENCE)),
        "bookings",
        "POST /sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder",
    ),
    "sap_s4.post_shipment": system(
        lambda erp: (
            lambda: erp.shipments.post_shipment(CENTRAL_POSTING, KEY),
            lambda: erp.shipments.find_shipment(CENTRAL_POSTING),
        ),
        "shipments",
        "/PostGoodsIssue",
    ),
    "sap_s4.withdraw": system(
        lambda erp: (lambda: erp.withdrawal.withdraw(REFERENCE, KEY), None), "withdrawals", "SalesOrderItem='990000')"
    ),
    "sap_s4.resolve_customer": system(
        lambda erp: (lambda: erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS), None),
        "customers",
        "/A_BusinessPartner",
    ),
    "netsuite.book": suite(
        lambda erp: (lambda: erp.booking.book(SUITE_ORDER, KEY), lambda: erp.booking.find_order(REFERENCE)),
        "bookings",
        "POST /services/rest/record/v1/salesOrder",
    ),
    "netsuite.post_shipment": suite(
        lambda erp: (
            lambda: erp.shipments.post_shipment(CENTRAL_POSTING, KEY),
            lambda: erp.shipments.find_shipment(CENTRAL_POSTING),
        ),
        "shipments",
        "/!transform/itemFulfillment",
    ),
    "netsuite.withdraw": suite(
        lambda erp: (lambda: erp.withdrawal.withdraw(REFERENCE, KEY), None),
        "withdrawals",
        "PATCH /services/rest/record/v1/salesOrder/1001",
    ),
    "netsuite.amend": suite(
        lambda erp: (lambda: there(erp.amendment).amend(replace(SUITE_ORDER, version=2), KEY), None),
        "amendments",
        "PATCH /services/rest/record/v1/salesOrder/1001",
    ),
    "netsuite.resolve_customer": suite(
        lambda erp: (lambda: erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS), None),
        "customers",
        "POST /services/rest/record/v1/customer",
    ),
    "centre.request": centre(
        lambda centre: (
            lambda: centre.requests.request(REQUEST, KEY),
            lambda: centre.requests.find_request(PART),
        ),
        "requests",
    ),
    "centre.intercept": centre(lambda centre: (lambda: centre.intercepts.intercept(PART, KEY), None), "cancels"),
    "amazon.cancel": seller(told_cancel(WHOLE_CANCEL), "cancels", "/feeds"),
    "amazon.push_stock": seller(told_stock, "stock"),
    "channel.amazon": seller(told_shipment, "confirmations"),
    "channel.inhouse": channel("inhouse", FakeInhouse),
    "channel.shopify": channel("shopify", FakeShop),
    "inhouse.acknowledge": told("inhouse", FakeInhouse, told_acknowledgement, "acknowledgements"),
    "inhouse.cancel_whole": told("inhouse", FakeInhouse, told_cancel(WHOLE_CANCEL), "cancellations"),
    "inhouse.cancel_pieces": told("inhouse", FakeInhouse, told_cancel(PART_CANCEL), "cancellations"),
    "inhouse.push_stock": told("inhouse", FakeInhouse, told_stock, "stock"),
    "channel.walmart": market(told_shipment, "confirmations"),
    "walmart.acknowledge": market(told_acknowledgement, "acknowledgements", walmart.CREATED),
    "walmart.cancel": market(told_cancel(WHOLE_CANCEL), "cancels"),
    "walmart.push_stock": market(told_stock, "stock"),
    "shopify.cancel": told("shopify", FakeShop, told_cancel(WHOLE_CANCEL), "cancels"),
    "shopify.push_stock": told("shopify", FakeShop, told_stock, "stock"),
}
READS: dict[str, Builder] = {
    "erp.check_items": erp(lambda erp: (lambda: erp.items.check_items(["S1", "NO"]), None)),
    "erp.find_order": erp(lambda erp: (lambda: erp.booking.find_order(REFERENCE), None)),
    "business_central.check_items": company(lambda erp: (lambda: erp.items.check_items(["S1", "NO"]), None)),
    "business_central.find_order": company(lambda erp: (lambda: erp.booking.find_order(REFERENCE), None)),
    "business_central.find_shipment": company(lambda erp: (lambda: erp.shipments.find_shipment(CENTRAL_POSTING), None)),
    "business_central.credit_hold": company(lambda erp: (lambda: there(erp.credit).credit_hold("C-1"), None)),
    "business_central.object_to": company(lambda erp: (lambda: there(erp.check).object_to(ORDER), None)),
    "business_central.read_orders": company(lambda erp: (lambda: there(erp.orders).read_orders([REFERENCE]), None)),
    "odoo.check_items": database(lambda erp: (lambda: erp.items.check_items(["S1", "NO"]), None)),
    "odoo.find_order": database(lambda erp: (lambda: erp.booking.find_order(REFERENCE), None)),
    "odoo.find_shipment": database(lambda erp: (lambda: erp.shipments.find_shipment(CENTRAL_POSTING), None)),
    "odoo.object_to": database(lambda erp: (lambda: there(erp.check).object_to(ODOO_ORDER), None)),
    "odoo.warehouse_stock": database(lambda erp: (lambda: there(erp.warehouses).warehouse_stock("WH"), None)),
    "odoo.read_orders": database(lambda erp: (lambda: there(erp.orders).read_orders([REFERENCE]), None)),
    "erpnext.check_items": site(lambda erp: (lambda: erp.items.check_items(["S1", "NO"]), None)),
    "erpnext.find_order": site(lambda erp: (lambda: erp.booking.find_order(REFERENCE), None)),
    "erpnext.find_shipment": site(lambda erp: (lambda: erp.shipments.find_shipment(CENTRAL_POSTING), None)),
    "erpnext.credit_hold": site(lambda erp: (lambda: there(erp.credit).credit_hold("C-1"), None)),
    "erpnext.object_to": site(lambda erp: (lambda: there(erp.check).object_to(ORDER), None)),
    "erpnext.warehouse_stock": site(lambda erp: (lambda: there(erp.warehouses).warehouse_stock("Stores - K"), None)),
    "erpnext.read_orders": site(lambda erp: (lambda: there(erp.orders).read_orders([REFERENCE]), None)),
    "sap_s4.check_items": system(lambda erp: (lambda: erp.items.check_items(["S1", "NO"]), None)),
    "sap_s4.find_order": system(lambda erp: (lambda: erp.booking.find_order(REFERENCE), None)),
    "sap_s4.find_shipment": system(lambda erp: (lambda: erp.shipments.find_shipment(CENTRAL_POSTING), None)),
    "sap_s4.credit_hold": system(lambda erp: (lambda: there(erp.credit).credit_hold("1000001"), None)),
    "sap_s4.object_to": system(lambda erp: (lambda: there(erp.check).object_to(S4_ORDER), None)),
    "sap_s4.warehouse_stock": system(lambda erp: (lambda: there(erp.warehouses).warehouse_stock("1010"), None)),
    "sap_s4.read_orders": system(lambda erp: (lambda: there(erp.orders).read_orders([REFERENCE]), None)),
    "netsuite.check_items": suite(lambda erp: (lambda: erp.items.check_items(["S1", "NO"]), None)),
    "netsuite.find_order": suite(lambda erp: (lambda: erp.booking.find_order(REFERENCE), None)),
    "netsuite.find_shipment": suite(lambda erp: (lambda: erp.shipments.find_shipment(CENTRAL_POSTING), None)),
    "netsuite.credit_hold": suite(lambda erp: (lambda: there(erp.credit).credit_hold("900"), None)),
    "netsuite.object_to": suite(lambda erp: (lambda: there(erp.check).object_to(SUITE_ORDER), None)),
    "netsuite.warehouse_stock": suite(lambda erp: (lambda: there(erp.warehouses).warehouse_stock("7"), None)),
    "netsuite.read_orders": suite(lambda erp: (lambda: there(erp.orders).read_orders([REFERENCE]), None)),
    "erp.find_shipment": erp(lambda erp: (lambda: erp.shipments.find_shipment(POSTING), None)),
    "erp.object_to": erp(lambda erp: (lambda: there(erp.check).object_to(ORDER), None)),
    "erp.credit_hold": erp(lambda erp: (lambda: there(erp.credit).credit_hold("C-1"), None)),
    "erp.warehouse_stock": erp(lambda erp: (lambda: there(erp.warehouses).warehouse_stock("MAIN"), None)),
    "erp.read_orders": erp(lambda erp: (lambda: there(erp.orders).read_orders([REFERENCE]), None)),
    "centre.find_request": centre(lambda centre: (lambda: centre.requests.find_request(PART), None)),
    "centre.stock": centre(lambda centre: (centre.stock.stock, None)),
}
