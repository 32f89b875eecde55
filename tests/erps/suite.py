"""What every ERP connector owes the port, whichever ERP it is: run against the real one, or a stand-in with a memory.

A vendor's test module has `class TestVendor(ErpSuite)` with a fixture `bench`. The bench looks into the ERP by a way
of its own, so that what a connector says of its own work is not believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import httpx2
import pytest

from kept.domain.events import Package, ShippedLine
from kept.domain.order import Address
from kept.ports import (
    BookedOrder,
    Erp,
    ErpOrderStatus,
    PermanentFault,
    SalesOrder,
    SalesOrderLine,
    ShipmentPosting,
    TemporaryFault,
    UnknownResult,
)

AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
ADDRESS = Address("Zoë Weiß", "12 Quai Voltaire", "Bât. 2", "Lyon", "", "69002", "FR", phone="+33123456789")
CALLERS = 8


class ErpBench(Protocol):
    """One ERP to be tested, with two saleable SKUs, and how to look into it past the connector."""

    erp: Erp
    skus: tuple[str, str]  # saleable, with stock
    blocked_sku: str  # known and not for sale; "" where the ERP can't say so
    currency: str  # of orders that it takes

    async def sales(self, reference: str) -> int:
        """How many sales orders that count the ERP itself has under our reference."""
        ...

    async def pieces(self, reference: str) -> dict[str, int]:
        """Pieces on order by SKU, of goods only, as the ERP itself has them."""
        ...

    async def shipped(self, reference: str) -> dict[str, int]:
        """Pieces delivered by SKU, as the ERP itself has them."""
        ...

    def lose_next_answer(self) -> None:
        """The next call that changes something is done, and its answer never arrives."""
        ...


class Losing(httpx2.AsyncBaseTransport):
    """Hands calls on; when told to, it loses the answer to the next one that changes something."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.losing = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if self.losing and "idempotency-key" in request.headers:
            self.losing = False
            await response.aread()
            raise httpx2.ReadTimeout("the answer was lost", request=request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def order(bench: ErpBench, reference: str, customer_id: str) -> SalesOrder:
    """Two of one SKU and one of another, a discount, tax on top, shipping: 2 x 19.00 - 3.00 + 2.80 + 5.00 + 5.70."""
    first, second = bench.skus
    lines = (
        SalesOrderLine(1, first, 2, 1900, 300, 280, free=False),
        SalesOrderLine(2, second, 1, 500, 0, 0, free=False),
    )
    return SalesOrder(
        reference,
        "shop",
        "#1001",
        customer_id,
        bench.currency,
        AT,
        ADDRESS,
        lines,
        570,
        0,
        4850,
        tax_included=False,
        version=1,
    )


def posting(bench: ErpBench, reference: str, *pieces: int, part: int = 1) -> ShipmentPosting:
    """A shipment of so many pieces of line 1, 2."""
    skus = zip(bench.skus, pieces, strict=False)
    lines = tuple(ShippedLine(number, sku, count) for number, (sku, count) in enumerate(skus, start=1) if count)
    package = Package(f"00614141123456789{part}", "UPS", f"1Z999{reference}{part}", 900, lines)
    return ShipmentPosting(reference, f"{reference}-{part}", AT, (package,))


class ErpSuite:
    """The tests. References are each test's own, so that one ERP serves all of them."""

    prefix = "KTEST"

    def reference(self, number: int) -> str:
        return f"{self.prefix}-{number:09d}"

    async def booked(self, bench: ErpBench, reference: str) -> tuple[SalesOrder, BookedOrder]:
        customer = await bench.erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS)
        asked = order(bench, reference, customer)
        return asked, await bench.erp.booking.book(asked, f"{reference}:book:1")

    async def test_items_are_known_and_saleable_or_not_in_the_order_asked(self, bench: ErpBench) -> None:
        asked = [bench.skus[1], "NO-SUCH-SKU", bench.skus[0]]
        checks = await bench.erp.items.check_items(asked)
        assert [(check.sku, check.known, check.saleable) for check in checks] == [
            (bench.skus[1], True, True),
            ("NO-SUCH-SKU", False, False),
            (bench.skus[0], True, True),
        ]
        if bench.blocked_sku:
            (check,) = await bench.erp.items.check_items([bench.blocked_sku])
            assert (check.known, check.saleable) == (True, False)

    async def test_a_customer_is_made_once_however_often_and_by_however_many(self, bench: ErpBench) -> None:
        resolve = bench.erp.customers.resolve_customer
        made = await asyncio.gather(*(resolve("shop", "once@example.com", ADDRESS) for _ in range(3)))
        assert len({*made, await resolve("shop", "once@example.com", ADDRESS)}) == 1
        assert await resolve("shop", "another@example.com", ADDRESS) not in made

    async def test_an_order_is_booked_with_its_lines_currency_and_total_to_the_cent(self, bench: ErpBench) -> None:
        asked, booked = await self.booked(bench, self.reference(1))
        assert (booked.total_minor, booked.currency) == (asked.total_minor, asked.currency)
        assert await bench.erp.booking.find_order(asked.reference) == booked
        assert await bench.sales(asked.reference) == 1
        assert await bench.pieces(asked.reference) == {bench.skus[0]: 2, bench.skus[1]: 1}

    async def test_an_order_that_is_not_there_is_not_found(self, bench: ErpBench) -> None:
        assert await bench.erp.booking.find_order(self.reference(999999999)) is None

    async def test_booking_again_with_the_same_content_finds_the_order(self, bench: ErpBench) -> None:
        asked, booked = await self.booked(bench, self.reference(2))
        assert await bench.erp.booking.book(asked, f"{self.reference(2)}:book:1") == booked
        assert await bench.sales(asked.reference) == 1

    async def test_the_same_reference_with_other_content_is_refused_and_changes_nothing(self, bench: ErpBench) -> None:
        asked, booked = await self.booked(bench, self.reference(3))
        lines = (replace(asked.lines[0], quantity=1, discount_minor=0), asked.lines[1])
        other = replace(asked, lines=lines, total_minor=3250)
        with pytest.raises(PermanentFault):
            await bench.erp.booking.book(other, f"{self.reference(3)}:book:1")
        assert await bench.erp.booking.find_order(asked.reference) == booked
        assert await bench.sales(asked.reference) == 1

    async def test_many_callers_of_one_reference_make_one_order(self, bench: ErpBench) -> None:
        """As the engine would: a caller that is refused or left in doubt looks, and asks again only if told nothing."""
        reference = self.reference(4)
        customer = await bench.erp.customers.resolve_customer("shop", "race@example.com", ADDRESS)
        asked = order(bench, reference, customer)

        async def caller() -> BookedOrder:
            for _ in range(20):
                try:
                    return await bench.erp.booking.book(asked, f"{reference}:book:1")
                except (TemporaryFault, UnknownResult):
                    found = await bench.erp.booking.find_order(reference)
                    if found is not None:
                        return found
                    await asyncio.sleep(0.05)
            raise AssertionError("not booked in twenty tries")

        made = await asyncio.gather(*(caller() for _ in range(CALLERS)))
        assert len(set(made)) == 1
        assert await bench.sales(reference) == 1

    async def test_an_answer_that_was_lost_leaves_an_order_that_is_found(self, bench: ErpBench) -> None:
        reference = self.reference(5)
        customer = await bench.erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS)
        asked = order(bench, reference, customer)
        bench.lose_next_answer()
        with pytest.raises(UnknownResult):
            await bench.erp.booking.book(asked, f"{reference}:book:1")
        # What was begun is found, or is brought to its end by asking again: never a second order.
        booked = await bench.erp.booking.find_order(reference) or await bench.erp.booking.book(
            asked, f"{reference}:book:1"
        )
        assert booked.total_minor == asked.total_minor
        assert await bench.sales(reference) == 1

    async def test_shipments_are_posted_once_each_and_partial_ones_add_up(self, bench: ErpBench) -> None:
        asked, _ = await self.booked(bench, self.reference(6))
        first, second = posting(bench, asked.reference, 1, 1), posting(bench, asked.reference, 1, part=2)
        assert await bench.erp.shipments.find_shipment(first) is None
        posted = await bench.erp.shipments.post_shipment(first, f"{first.reference}:post:1")
        assert await bench.erp.shipments.post_shipment(first, f"{first.reference}:post:1") == posted
        assert await bench.erp.shipments.find_shipment(first) == posted
        assert await bench.shipped(asked.reference) == {bench.skus[0]: 1, bench.skus[1]: 1}
        again = await bench.erp.shipments.post_shipment(second, f"{second.reference}:post:1")
        assert again != posted
        assert await bench.shipped(asked.reference) == {bench.skus[0]: 2, bench.skus[1]: 1}

    async def test_what_is_withdrawn_is_not_on_order_any_more_and_withdrawing_twice_is_once(
        self, bench: ErpBench
    ) -> None:
        asked, _ = await self.booked(bench, self.reference(7))
        for _ in range(2):
            await bench.erp.withdrawal.withdraw(asked.reference, f"{asked.reference}:withdraw:1")
        assert await bench.sales(asked.reference) == 0

    async def test_a_withdrawal_keeps_what_has_shipped(self, bench: ErpBench) -> None:
        asked, _ = await self.booked(bench, self.reference(8))
        sent = posting(bench, asked.reference, 1)
        await bench.erp.shipments.post_shipment(sent, f"{sent.reference}:post:1")
        for _ in range(2):
            await bench.erp.withdrawal.withdraw(asked.reference, f"{asked.reference}:withdraw:1")
        assert await bench.shipped(asked.reference) == {bench.skus[0]: 1}

    async def test_an_amended_order_says_what_its_newest_version_says(self, bench: ErpBench) -> None:
        if bench.erp.amendment is None:
            pytest.skip("this connector takes no amendments: edits after routing are too late for it")
        await self.amended_with_a_tax_of(bench, 150)

    async def amended_with_a_tax_of(self, bench: ErpBench, tax_minor: int) -> None:
        assert bench.erp.amendment is not None
        asked, _ = await self.booked(bench, self.reference(9))
        newer = replace(asked, lines=(replace(asked.lines[0], quantity=1, discount_minor=0, tax_minor=tax_minor),))
        newer = replace(newer, total_minor=1900 + tax_minor + 570, version=2)
        for _ in range(2):
            amended = await bench.erp.amendment.amend(newer, f"{asked.reference}:amend:2")
            assert amended.total_minor == newer.total_minor
        assert await bench.pieces(asked.reference) == {bench.skus[0]: 1}
        assert await bench.sales(asked.reference) == 1

    async def test_orders_are_read_back_as_they_stand(self, bench: ErpBench) -> None:
        if bench.erp.orders is None:
            pytest.skip("this connector reads no orders back")
        asked, booked = await self.booked(bench, self.reference(10))
        sent = posting(bench, asked.reference, 1)
        await bench.erp.shipments.post_shipment(sent, f"{sent.reference}:post:1")
        (read,) = await bench.erp.orders.read_orders([self.reference(0), asked.reference])
        assert (read.erp_order_id, read.reference, read.status) == (
            booked.erp_order_id,
            asked.reference,
            ErpOrderStatus.OPEN,
        )
        assert (read.total_minor, read.currency, read.tax_minor) == (asked.total_minor, asked.currency, 280)
        lines = {line.sku: (line.line_no, line.quantity, line.shipped) for line in read.lines if line.line_no}
        assert lines == {bench.skus[0]: (1, 2, 1), bench.skus[1]: (2, 1, 0)}
        assert [line.net_minor for line in sorted(read.lines, key=lambda line: line.line_no) if line.line_no] == [
            3500,
            500,
        ]

    async def test_an_order_that_the_erp_could_take_meets_no_objection(self, bench: ErpBench) -> None:
        if bench.erp.check is None:
            pytest.skip("this connector checks nothing beforehand")
        customer = await bench.erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS)
        asked = order(bench, self.reference(11), customer)
        assert list(await bench.erp.check.object_to(asked)) == []
        codes = await self.codes(bench, replace(asked, currency="XTS"))
        assert "currency_unmapped" in codes

    async def codes(self, bench: ErpBench, asked: SalesOrder) -> Sequence[str]:
        assert bench.erp.check is not None
        return [objection.code for objection in await bench.erp.check.object_to(asked)]
