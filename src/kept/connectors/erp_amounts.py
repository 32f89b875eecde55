"""What ERP connectors share: decimals, taxes as codes with a percentage, a buyer's digest, one writer per reference,
and the second look at what was written."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TypeVar
from weakref import WeakValueDictionary

from kept.domain.money import MoneyError, exponent, to_minor
from kept.ports import PermanentFault, SalesOrder, SalesOrderLine, ShipmentPosting, TemporaryFault, UnknownResult
from kept.settings import SettingsError

Seen = TypeVar("Seen")
TaxCodes = Sequence[tuple[Decimal, str]]  # percent, and the ERP's name of the tax


# ------------------------------------------------------------------ money


def units(minor_: int, currency: str) -> Decimal:
    """48.50 of 4850 US cents, exactly."""
    return Decimal(minor_).scaleb(-exponent(currency))


def minor(amount: Decimal, currency: str) -> int:
    """4850 of 48.50. Raises PermanentFault "amount" for an amount that its currency can't have."""
    try:
        return to_minor(f"{amount:f}", currency)
    except MoneyError as exc:
        raise PermanentFault(f"the ERP has an amount that is none: {exc}", code="amount") from exc


def price_of_each(whole_minor: int, quantity: int, currency: str, digits: Decimal) -> Decimal:
    """A price of one that gives the whole when multiplied and rounded; `digits` is the finest step of a price.

    Raises PermanentFault "amount" if there is none.
    """
    whole = units(whole_minor, currency)
    each = (whole / quantity).quantize(digits, ROUND_HALF_UP)
    if (each * quantity).quantize(units(1, currency), ROUND_HALF_UP) != whole:
        raise PermanentFault(
            f"{whole} {currency} can't be stated as {quantity} pieces at a price in steps of {digits}", code="amount"
        )
    return each


# ------------------------------------------------------------------ taxes


def tax_codes_of(setting: str, text: str) -> TaxCodes:
    """ "19=STANDARD, 7=REDUCED, 0=ZERO" as pairs. Raises SettingsError."""
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        percent, _, code = (piece.strip() for piece in part.partition("="))
        try:
            rate = Decimal(percent)
        except InvalidOperation:
            rate = Decimal(-1)
        if not code or not rate.is_finite() or not 0 <= rate <= 100:
            raise SettingsError(f"{setting}: {part!r} is not written PERCENT=CODE, 19=STANDARD")
        pairs.append((rate, code))
    return tuple(pairs)


def tax_code_of(net_minor: int, tax_minor: int, codes: TaxCodes) -> str | None:
    """The code whose percentage gives this tax; None if none does.

    One minor unit off is near enough here, since channels round by piece or by line: what counts is the order's total.
    """
    best: tuple[Decimal, str] | None = None
    for percent, code in codes:
        off = abs((Decimal(net_minor) * percent / 100).quantize(Decimal(1), ROUND_HALF_UP) - tax_minor)
        if off <= 1 and (best is None or off < best[0]):
            best = (off, code)
    return best[1] if best else None


def unmapped_taxes(order: SalesOrder, codes: TaxCodes) -> list[str]:
    """What of an order has a tax that no code gives, for people."""
    found = [
        f"line {line.line_no}: {line.tax_minor} of {net_of(order, line)} {order.currency} (minor units)"
        for line in order.lines
        if tax_code_of(net_of(order, line), line.tax_minor, codes) is None
    ]
    net = net_of_shipping(order)
    if order.shipping_minor and tax_code_of(net, order.shipping_tax_minor, codes) is None:
        found.append(f"shipping: {order.shipping_tax_minor} of {net} {order.currency} (minor units)")
    return found


def net_of(order: SalesOrder, line: SalesOrderLine) -> int:
    """What is paid for a line without its tax, in minor units."""
    paid = line.quantity * line.unit_price_minor - line.discount_minor
    return paid - line.tax_minor if order.tax_included else paid


def net_of_shipping(order: SalesOrder) -> int:
    """What is paid for shipping without its tax, in minor units."""
    return order.shipping_minor - (order.shipping_tax_minor if order.tax_included else 0)


def tax_of(order: SalesOrder) -> int:
    """All tax of an order, in minor units."""
    return sum(line.tax_minor for line in order.lines) + order.shipping_tax_minor


def untied(order: SalesOrder, total_minor: int, tax_minor: int) -> str:
    """How an ERP's total or tax differ from the channel's; "" if they don't."""
    pairs = (("total", total_minor, order.total_minor), ("tax", tax_minor, tax_of(order)))
    return "; ".join(
        f"{what} {theirs}, the channel's is {ours}, {theirs - ours:+d} {order.currency} (minor units)"
        for what, theirs, ours in pairs
        if theirs != ours
    )


# ------------------------------------------------------------------ shipments, buyers, writers


def pieces_of(posting: ShipmentPosting) -> Counter[int]:
    """Pieces by our line."""
    pieces: Counter[int] = Counter()
    for package in posting.packages:
        for line in package.lines:
            pieces[line.line_no] += line.quantity
    return pieces


def buyer_digest(account: str, email: str) -> str:
    """Hexadecimal digits that stand for a buyer at an account: the same buyer is one customer.

    Buyers without an e-mail address share one customer per account; the address is with each order.
    """
    return hashlib.sha256(f"{account}|{email.strip().lower()}".encode()).hexdigest()


async def seen_again(what: str, look: Callable[[], Awaitable[Seen | None]]) -> Seen:
    """What was just written, as it is there. Raises UnknownResult if it can't be seen: by then the write is done."""
    try:
        found = await look()
    except TemporaryFault as fault:
        raise UnknownResult(f"{what} was written, and not seen again: {fault}") from fault
    if found is None:
        raise UnknownResult(f"{what} was written, and is not found yet")
    return found


class Writers:
    """One writer per reference, within this process."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def alone(self, reference: str) -> asyncio.Lock:
        lock = self._locks.get(reference)
        if lock is None:
            lock = self._locks[reference] = asyncio.Lock()
        return lock
