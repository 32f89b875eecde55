"""What Kept needs of an ERP, as single-capability Protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from kept.domain.erp_orders import ErpOrder
from kept.domain.events import Package
from kept.domain.order import Address
from kept.ports.centres import StockSnapshot


@dataclass(frozen=True, slots=True)
class ItemCheck:
    """What an ERP says of a SKU."""

    sku: str
    known: bool
    saleable: bool
    price_minor: int | None = None  # its list price of one piece in `currency`, where the ERP was asked and has one
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an ERP could not take an order as it is. `code` is a kind of hold, `evidence` the values, for people."""

    code: str  # "tax_unmapped", "unit_unmapped", "currency_unmapped", "warehouse_unmapped", "credit_hold", ...
    evidence: str


@dataclass(frozen=True, slots=True)
class SalesOrderLine:
    """One line of a sales order, in minor units: `unit_price` of one piece, the rest of the whole quantity."""

    line_no: int
    sku: str
    quantity: int
    unit_price_minor: int
    discount_minor: int
    tax_minor: int
    free: bool  # nothing to pay for it, and meant so: it ships and is booked all the same


@dataclass(frozen=True, slots=True)
class SalesOrder:
    """What an ERP is asked to book. `reference` is ours and unique."""

    reference: str
    channel: str
    channel_number: str
    customer_id: str
    currency: str
    placed_at: datetime
    ship_to: Address
    lines: tuple[SalesOrderLine, ...]
    shipping_minor: int
    shipping_tax_minor: int
    total_minor: int
    tax_included: bool  # prices contain the tax; else it comes on top of them
    version: int  # 1, and one more with every amendment


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """A sales order in the ERP."""

    erp_order_id: str
    total_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class PostedShipment:
    """A shipment in the ERP."""

    erp_shipment_id: str


@dataclass(frozen=True, slots=True)
class ShipmentPosting:
    """What an ERP is told of a shipment; `reference` is the fulfilment order's."""

    order_reference: str
    reference: str
    shipped_at: datetime
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class PostedInvoice:
    """An invoice in the ERP."""

    erp_invoice_id: str
    total_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The ERP's word that the open rest of an order will not be delivered."""

    erp_order_id: str


class CheckItems(Protocol):
    """Asks an ERP about SKUs, many at once."""

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]: ...


class CheckOrder(Protocol):
    """Says beforehand what of an order an ERP could not take. Reads only."""

    async def object_to(self, order: SalesOrder) -> Sequence[Objection]:
        """What speaks against booking it; empty if nothing does. Its own earlier booking is no objection."""
        ...


class ReadCredit(Protocol):
    """Says whether an ERP sells to a customer now."""

    async def credit_hold(self, customer_id: str) -> str:
        """Why it does not, for people; "" if it does."""
        ...


class ReadWarehouse(Protocol):
    """Reads what an ERP has in one of its warehouses."""

    async def warehouse_stock(self, warehouse: str) -> StockSnapshot:
        """Pieces on hand, by the ERP's own name of the warehouse. Raises PermanentFault for one it does not know."""
        ...


class ReadErpOrders(Protocol):
    """Reads sales orders back, many at once, to be compared with ours."""

    async def read_orders(self, references: Sequence[str]) -> Sequence[ErpOrder]:
        """Those that there are, of our references; several of one reference where the ERP has several."""
        ...


class InvoiceShipment(Protocol):
    """Invoices a shipment that was posted, once per reference. What did not ship is not invoiced."""

    honours_key: bool

    async def invoice(self, posting: ShipmentPosting, key: str) -> PostedInvoice: ...

    async def find_invoice(self, posting: ShipmentPosting) -> PostedInvoice | None: ...


class ResolveCustomer(Protocol):
    """Finds or makes the ERP's customer for an order; asking twice makes one customer."""

    async def resolve_customer(self, account: str, email: str, address: Address) -> str: ...


class BookOrder(Protocol):
    """Books sales orders, once per reference."""

    honours_key: bool
    write_horizon: timedelta

    async def book(self, order: SalesOrder, key: str) -> BookedOrder: ...

    async def find_order(self, reference: str) -> BookedOrder | None: ...


class AmendOrder(Protocol):
    """Makes a booked order say what a newer version of it says.

    Doing it twice is doing it once, and an older version that arrives late never overwrites a newer one.
    """

    async def amend(self, order: SalesOrder, key: str) -> BookedOrder: ...


class PostShipment(Protocol):
    """Posts a shipment against a booked order, once per reference."""

    honours_key: bool

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment: ...

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None: ...


class WithdrawOrder(Protocol):
    """Cancels what is still open of a booked order; doing it twice is doing it once."""

    async def withdraw(self, reference: str, key: str) -> Withdrawal: ...


@dataclass(frozen=True, slots=True)
class Erp:
    """One ERP."""

    name: str
    items: CheckItems
    customers: ResolveCustomer
    booking: BookOrder
    shipments: PostShipment
    withdrawal: WithdrawOrder
    amendment: AmendOrder | None = None  # None: what is edited after routing is too late
    check: CheckOrder | None = None
    credit: ReadCredit | None = None
    warehouses: ReadWarehouse | None = None
    invoices: InvoiceShipment | None = None  # None: it invoices by itself, or somebody else does
    orders: ReadErpOrders | None = None
