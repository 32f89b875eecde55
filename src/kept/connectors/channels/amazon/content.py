"""What both of Amazon's order dialects come to: amounts in minor units, and one canonical order. Pure.

The dialects' own modules read their shapes into the values here; the rules that hold for both stand here once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from kept.connectors.channels.amazon.codes import MARKETPLACES, SERVICE_LEVELS, Marketplace, Standing
from kept.connectors.phones import e164
from kept.connectors.wire import microseconds, utc
from kept.connectors.zones import end_of_day, zone_of
from kept.domain.money import MoneyError, exponent, to_minor
from kept.domain.order import Address, OrderContent, OrderLine, Payment, Promise
from kept.ports import BadMessage

T = TypeVar("T")
_CODE_CHARS_MAX = 40  # of a foreign code that is quoted in an error


class MoneyBody(Protocol):
    """An amount as either dialect writes it: a decimal string and a currency."""

    @property
    def amount(self) -> str | None: ...

    @property
    def currency_code(self) -> str | None: ...


class AddressBody(Protocol):
    """A delivery address as either dialect writes it."""

    name: str | None
    company_name: str | None
    address_line1: str | None
    address_line2: str | None
    address_line3: str | None
    city: str | None
    municipality: str | None
    state_or_region: str | None
    postal_code: str | None
    country_code: str | None
    phone: str | None


@dataclass(frozen=True, slots=True)
class Amounts:
    """One line's amounts for its whole wanted quantity, in minor units.

    `charges_minor` is what is charged beside the goods (shipping, gift wrap, collection fee) less the
    discounts on it; it and its tax have no line of ours and go into the order's shipping.
    """

    goods_minor: int = 0
    discount_minor: int = 0
    tax_minor: int = 0
    charges_minor: int = 0
    charges_tax_minor: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One order item, read. `constraints` are Amazon's demands on the carrier, by name."""

    external_id: str
    sku: str
    title: str
    quantity: int
    amounts: Amounts
    gift: bool
    cancel_requested: bool
    deliver_by: datetime | None = None
    constraints: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Places:
    """Where the dialect writes what may be wrong, for an error's path."""

    placed_at: str
    updated_at: str
    service: str
    ship_by: str
    deliver_by: str


@dataclass(frozen=True, slots=True)
class Read:
    """An order, read; times as Amazon wrote them. `total_minor` is None where Amazon gave no total."""

    account: str
    external_id: str
    placed_at: datetime
    updated_at: datetime
    standing: Standing
    by_amazon: bool
    replacement: bool
    currency: str
    lines: Sequence[Line]
    total_minor: int | None
    tax_included_otherwise: bool  # where the total does not tell
    ship_to: Address | None
    email: str
    service: str
    ship_by: datetime | None
    deliver_by: datetime | None
    where: Places
    holds: Sequence[str] = ()
    extra_minor: int = 0  # charged on the order as a whole: a tip


class Purse:
    """Reads amounts of one order, all of which must be in its one currency."""

    def __init__(self, currency: str, where: str) -> None:
        try:
            exponent(currency)
        except MoneyError as error:
            raise BadMessage(str(error), where=where) from error
        self.currency = currency

    def minor(self, money: MoneyBody | None, where: str) -> int:
        """Minor units; 0 for what is not there. Raises BadMessage for another currency and for what is no amount."""
        if money is None:
            return 0
        if money.currency_code != self.currency:
            raise BadMessage(
                f"the currency {_quoted(money.currency_code)} is not the order's {self.currency}", where=where
            )
        if money.amount is None:
            raise BadMessage("an amount of money without its number", where=where)
        try:
            return to_minor(money.amount, self.currency)
        except MoneyError as error:
            raise BadMessage(str(error), where=where) from error

    def positive(self, money: MoneyBody | None, where: str) -> int:
        """As `minor`, and BadMessage below zero: a price, a tax or a discount below nothing is not understood."""
        amount = self.minor(money, where)
        if amount < 0:
            raise BadMessage(f"{amount} minor units, which is below zero", where=where)
        return amount


def convert_at(value: object, kind: type[T], at: str) -> T:
    """`value` as `kind`, strictly. Raises BadMessage whose path begins with `at`."""
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        raise BadMessage(text, where=at + path.rstrip("`")) from error


def known(codes: Mapping[str, T], code: str | None, what: str, where: str) -> T:
    """What a code means. Raises BadMessage for one that is not in the table, and for none."""
    if code is None:
        raise BadMessage(f"there is no {what}", where=where)
    if code not in codes:
        raise BadMessage(f"unknown {what} {_quoted(code)}", where=where)
    return codes[code]


def currency_of(amounts: Iterable[MoneyBody | None], marketplace_id: str | None, where: str) -> str:
    """The currency that the order's amounts name first; without any, the marketplace's own.

    Raises BadMessage for an order that has neither prices nor a marketplace that we know.
    """
    for money in amounts:
        if money is not None and money.currency_code:
            return money.currency_code
    return known(MARKETPLACES, marketplace_id, "marketplace", where).currency


def tax_included_in(marketplace_id: str | None) -> bool:
    """Whether a marketplace shows prices with their tax; False for one that is not in the table."""
    return MARKETPLACES.get(marketplace_id or "", _UNTABLED).tax_included


_UNTABLED = Marketplace("", "", False)


def address_of(body: AddressBody | None, neighbourhood: str | None = None) -> Address | None:
    """Where to send it; None without a street line, since nothing could be sent there.

    Orders read without the right to personal data have town and postal code only. Brazil's neighbourhood, which
    a parcel there needs, is put beside the second line unless some line has it already.
    """
    if body is None:
        return None
    given = [part.strip() for part in (body.address_line1, body.address_line2, body.address_line3) if part]
    lines = [part for part in given if part]
    if not lines:
        return None
    if neighbourhood and not any(neighbourhood.lower() in part.lower() for part in lines):
        lines.append(neighbourhood)
    return Address(
        name=body.name or "",
        line1=lines[0],
        line2=", ".join(lines[1:]),
        city=body.city or body.municipality or "",
        region=body.state_or_region or "",
        postal_code=body.postal_code or "",
        country=body.country_code or "",
        phone=e164(body.phone or "", body.country_code or ""),
        company=body.company_name or "",
    )


def order_of(read: Read) -> OrderContent:
    """The canonical order. Raises BadMessage for a time that can't be, or an unknown service without dates."""
    lines = tuple(_line(number, line) for number, line in enumerate(read.lines, start=1))
    charges = sum(line.amounts.charges_minor for line in read.lines) + read.extra_minor
    charges_tax = sum(line.amounts.charges_tax_minor for line in read.lines)
    net = sum(line.unit_price_minor * line.quantity - line.discount_minor for line in lines) + charges
    tax = sum(line.tax_minor for line in lines) + charges_tax
    tax_included = _tax_is_included(net, tax, read.total_minor, otherwise=read.tax_included_otherwise)
    ours = net if tax_included else net + tax
    placed_at = utc(read.placed_at, read.where.placed_at)
    return OrderContent(
        account=read.account,
        external_id=read.external_id,
        revision=microseconds(utc(read.updated_at, read.where.updated_at)),
        number=read.external_id,
        currency=read.currency,
        placed_at=placed_at,
        payment=_payment(read),
        cancelled=read.standing.cancelled,
        test=False,  # Amazon's sandbox answers canned examples; its live accounts know no test orders
        tax_included=tax_included,
        lines=lines,
        shipping_minor=charges,
        shipping_tax_minor=charges_tax,
        total_minor=ours if read.total_minor is None else read.total_minor,
        ship_to=read.ship_to,
        email=read.email,
        promise=_promise(read, placed_at),
        already_shipped=read.standing.shipped,
        fulfilled_by_channel=read.by_amazon,
        hold="; ".join(_holds(read)),
    )


def _line(number: int, line: Line) -> OrderLine:
    """A line whose amounts come out exactly, though Amazon's price is for the whole quantity.

    Where the price does not divide, the unit price is rounded up and the discount takes the difference, which
    is less than one minor unit a piece.
    """
    amounts, quantity = line.amounts, line.quantity
    unit_price = -(-amounts.goods_minor // quantity) if quantity else 0
    rounding = unit_price * quantity - amounts.goods_minor if quantity else 0
    return OrderLine(
        line_no=number,
        external_id=line.external_id,
        sku=line.sku,
        title=line.title,
        quantity=quantity,
        unit_price_minor=unit_price,
        discount_minor=amounts.discount_minor + rounding if quantity else 0,
        tax_minor=amounts.tax_minor if quantity else 0,
        gift=line.gift,
        cancel_requested=line.cancel_requested,
    )


def _tax_is_included(net: int, tax: int, total: int | None, *, otherwise: bool) -> bool:
    """Whether the prices contain the tax, as Amazon's own total shows; `otherwise` where it shows nothing.

    The marketplace alone does not tell: Amazon's tax collection adds it on top where prices usually contain it.
    """
    if tax == 0 or total is None or total not in {net, net + tax}:
        return otherwise
    return total == net


def _payment(read: Read) -> Payment:
    """What the state says of the money; an order that Amazon says costs nothing is FREE."""
    free = read.total_minor == 0 or (read.total_minor is None and read.replacement)
    return Payment.FREE if free and read.standing.payment is Payment.AUTHORISED else read.standing.payment


def _holds(read: Read) -> list[str]:
    """Why a person has to look before anything ships."""
    reasons = [reason for reason in (read.standing.hold, *read.holds) if reason]
    demands = sorted(set().union(*(line.constraints for line in read.lines)))
    if demands:
        reasons.append(f"Amazon demands of the carrier what no centre is told: {', '.join(demands)}")
    # A total is owed once the order is open: without one nothing could be tied to what the buyer pays.
    if read.total_minor is None and read.standing.payment is Payment.AUTHORISED and not read.replacement:
        reasons.append("Amazon gave no total for it")
    return reasons


def _promise(read: Read, placed_at: datetime) -> Promise:
    """Amazon's own dates; what is missing (it is while pending) comes from the table of services.

    A delivery window that the buyer chose for an item binds as well as the order's: the earliest end counts.
    """
    ends = [end for end in (read.deliver_by, *(line.deliver_by for line in read.lines)) if end is not None]
    service = read.service or "Standard"
    if read.ship_by is not None and ends:
        ship_by, deliver_by = read.ship_by, min(ends)
    else:
        key = service.replace("_", "").lower()
        level = known(SERVICE_LEVELS, key, "service level", read.where.service)
        ship_by = read.ship_by if read.ship_by is not None else placed_at + level.ship_within
        deliver_by = min(ends) if ends else end_of_day(ship_by, level.deliver_days, zone_of(read.ship_to))
    return Promise(utc(ship_by, read.where.ship_by), utc(deliver_by, read.where.deliver_by), service)


def demanded(constraints: Mapping[str, object] | None) -> frozenset[str]:
    """The names of the constraints that Amazon sets; the only value that its models have for one is mandatory."""
    return frozenset(name for name, value in (constraints or {}).items() if value)


def _quoted(code: str | None) -> str:
    return repr(code if code is None else code[:_CODE_CHARS_MAX])
