"""Sales read back, and what a warehouse has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from kept.connectors.answers import UnexpectedAnswer
from kept.connectors.erps.tryton import mapping
from kept.connectors.erps.tryton.codes import BEGUN, BOOKING, CANCELLED, ENDED, MOVED, POSTED_INVOICE
from kept.connectors.erps.tryton.lookups import Lookups
from kept.connectors.erps.tryton.pricing import PLACES, TAX_REST
from kept.connectors.erps.tryton.rpc import Rpc
from kept.connectors.erps.tryton.schemas import READ_FIELDS, Named, OnHand, ReadLine, ReadSale
from kept.domain.money import exponent
from kept.ports import ErpLine, ErpOrder, ErpOrderStatus, PermanentFault, StockLevel, StockSnapshot

_SALES_PER_CALL = 100  # with their lines, moves and invoices

Rates = Mapping[int, Decimal | None]


class TrytonOrders:
    """Sales of our shop as they stand, many in one call."""

    def __init__(self, rpc: Rpc, lookups: Lookups) -> None:
        self._rpc = rpc
        self._lookups = lookups

    async def read_orders(self, references: Sequence[str]) -> Sequence[ErpOrder]:
        shop, rates = await self._lookups.shop(), await self._lookups.rates()
        orders: list[ErpOrder] = []
        for start in range(0, len(references), _SALES_PER_CALL):
            asked = list(references[start : start + _SALES_PER_CALL])
            domain = [["web_shop", "=", shop.id], ["web_id", "in", asked]]
            sales = await self._rpc.search("sale.sale", domain, READ_FIELDS, ReadSale)
            orders += [read_order(sale, rates) for sale in sales]
        return orders


class TrytonWarehouses:
    """Pieces on hand in a warehouse and all its locations, by its name or its code in Tryton."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def warehouse_stock(self, warehouse: str) -> StockSnapshot:
        """Raises PermanentFault "warehouse_unmapped" for a name that is not exactly one warehouse."""
        as_of = datetime.now(UTC)
        domain = [["type", "=", "warehouse"], ["OR", ["name", "=", warehouse], ["code", "=", warehouse]]]
        found = await self._rpc.search("stock.location", domain, [], Named)
        if len(found) != 1:
            text = f"{self._rpc.name} has {len(found)} warehouses with the name or code {warehouse!r}"
            raise PermanentFault(text, code="warehouse_unmapped")
        products = await self._rpc.search_all(
            "product.product",
            [["quantity", "!=", 0.0], ["code", "!=", None]],
            ["code", "quantity"],
            OnHand,
            locations=[found[0].id],
            with_childs=True,
            # What is later than its own today counts as today there; our day may be behind its.
            stock_date_end=mapping.date_json(as_of + timedelta(days=1)),
        )
        pieces = Counter[str]()
        for product in products:
            pieces[product.code or ""] += int(product.quantity)
        return StockSnapshot(as_of, tuple(StockLevel(sku, max(0, count)) for sku, count in sorted(pieces.items())))


def read_order(sale: ReadSale, rates: Rates) -> ErpOrder:
    """Pure. A line of ours that was sold as two, or has a rest of tax beside it, is one again."""
    currency = sale.currency.code or ""
    shipped = _shipped(sale)
    rests = sum((_amount(line) for line in sale.lines if _is_rest(line)), Decimal(0))
    totals = [Decimal(each.total_amount.decimal) for each in sale.invoices if each.state in POSTED_INVOICE]
    return ErpOrder(
        str(sale.id),
        sale.web_id,
        _status(sale, shipped),
        currency,
        _minor(Decimal(sale.total_amount.decimal), currency),
        _minor(Decimal(sale.tax_amount.decimal) + rests, currency),
        tuple(_line(number, sale, shipped, rates) for number in _numbers(sale)),
        _minor(sum((total for total in totals if total > 0), Decimal(0)), currency),
        _minor(-sum((total for total in totals if total < 0), Decimal(0)), currency),
    )


def _status(sale: ReadSale, shipped: Mapping[int, int]) -> ErpOrderStatus:
    """By what moves: a sale of which everything left goes on "processing" until it is paid, and one that was withdrawn
    is "done"."""
    if sale.state in BEGUN:
        return ErpOrderStatus.DRAFT
    if sale.state == CANCELLED:
        return ErpOrderStatus.CANCELLED
    if sale.state not in BOOKING:
        raise UnexpectedAnswer(f"state is {sale.state!r}, which is not known")
    if not sale.moves or any(move.state not in ENDED for move in sale.moves):
        return ErpOrderStatus.OPEN
    return ErpOrderStatus.CLOSED if any(shipped.values()) else ErpOrderStatus.CANCELLED


def _shipped(sale: ReadSale) -> Mapping[int, int]:
    """Pieces that left, by the id of the sale's line."""
    pieces = Counter[int]()
    for move in sale.moves:
        model, _, number = (move.origin or "").partition(",")
        if model == "sale.line" and move.state == MOVED:
            pieces[int(number)] += int(move.quantity)
    return pieces


def _numbers(sale: ReadSale) -> list[int]:
    return sorted({number for line in sale.lines if line.product and (number := mapping.line_no_of(line.sequence))})


def _line(number: int, sale: ReadSale, shipped: Mapping[int, int], rates: Rates) -> ErpLine:
    currency = sale.currency.code or ""
    sold = [line for line in sale.lines if line.product and mapping.line_no_of(line.sequence) == number]
    rests = [line for line in sale.lines if _is_rest(line) and (line.sequence or 0) // PLACES == number]
    tax = sum((_tax(line, rates, currency) for line in sold), Decimal(0)) + sum(map(_amount, rests), Decimal(0))
    return ErpLine(
        number,
        (sold[0].product.code if sold[0].product else "") or "",
        sum(int(line.quantity or 0) for line in sold),
        sum(shipped.get(line.id, 0) for line in sold),
        _minor(sum(map(_amount, sold), Decimal(0)), currency),
        _minor(tax, currency),
    )


def _is_rest(line: ReadLine) -> bool:
    """Whether it is tax on a line of its own (`pricing`), shipping's too."""
    return line.product is not None and line.sequence is not None and line.sequence % PLACES == TAX_REST


def _tax(line: ReadLine, rates: Rates, currency: str) -> Decimal:
    """As Tryton computes it: each tax of each line, rounded."""
    step = Decimal(1).scaleb(-exponent(currency))
    each = ((_amount(line) * (rates.get(tax) or 0)).quantize(step, ROUND_HALF_EVEN) for tax in line.taxes)
    return sum(each, Decimal(0))


def _amount(line: ReadLine) -> Decimal:
    return Decimal(line.amount.decimal) if line.amount is not None else Decimal(0)


def _minor(amount: Decimal, currency: str) -> int:
    return mapping.minor_of(f"{amount:f}", currency)
