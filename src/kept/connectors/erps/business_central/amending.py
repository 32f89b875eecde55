"""Amending a booked order: line by line, the note with our version last, so that a broken-off try is taken up again."""

from __future__ import annotations

from kept.connectors.erps.business_central import mapping
from kept.connectors.erps.business_central.booking import CentralBooking, booked
from kept.connectors.erps.business_central.client import Company
from kept.connectors.erps.business_central.mapping import NOTE_SEQUENCE, Wanted
from kept.connectors.erps.business_central.schemas import Line, Order
from kept.ports import BookedOrder, PermanentFault, SalesOrder


class CentralAmendment:
    """Makes a standing order say what a newer version of ours says; the version is in the order's first line."""

    def __init__(self, company: Company, booking: CentralBooking) -> None:
        self._company = company
        self._booking = booking

    async def amend(self, order: SalesOrder, key: str) -> BookedOrder:
        """Raises PermanentFault "not_found" for no open order, "shipped" for less than what has shipped,
        "total_differs" if the sums are not the channel's afterwards."""
        wanted = mapping.wanted_lines(order, self._company.options)
        await self._standing(order.reference)
        async with self._company.alone(order.reference):
            standing = await self._standing(order.reference)
            if mapping.version_of(standing) > order.version:
                return booked(standing)  # an older version that comes late
            await self._lines(standing, order.version, wanted, key)
            if not mapping.ships_to(standing, order.ship_to):
                # Its lines' changes have changed the order's own etag.
                body = mapping.ship_to_json(order.ship_to)
                await self._company.change(f"salesOrders({standing.id})", body, "*", key)
            await self._note(standing, wanted[NOTE_SEQUENCE], key)
            amended = await self._standing(order.reference)
        difference = mapping.untied(amended, order)
        if difference:
            raise PermanentFault(
                f"order {amended.number} ({order.reference}) is amended, and has other sums: {difference}",
                code="total_differs",
            )
        return booked(amended)

    async def _standing(self, reference: str) -> Order:
        standing = await self._company.order(reference)
        if standing is None:
            raise PermanentFault(f"Business Central has no open order {reference} to amend", code="not_found")
        return standing

    async def _lines(self, standing: Order, version: int, wanted: dict[int, Wanted], key: str) -> None:
        """Answers name a line's VAT identifier and not its code (codeunit Sales Invoice Aggregator), so a tax code
        can't be compared: it is said again with every new version, but of what has shipped."""
        there = mapping.lines_by_sequence(standing)
        for sequence, line in there.items():
            _raise_if_shipped(line, wanted.get(sequence))
        place, renewed = await self._company.location_id(), mapping.version_of(standing) != version
        for sequence, line in there.items():
            want = wanted.get(sequence)
            if want is None or not want.same_thing(line):
                await self._company.delete(f"salesOrderLines({line.id})", key)
        for sequence, want in sorted(wanted.items()):
            found = there.get(sequence)
            if found is None or not want.same_thing(found):
                if sequence != NOTE_SEQUENCE:
                    body = want.json(place)
                    await self._company.create(f"salesOrders({standing.id})/salesOrderLines", body, key)
            elif sequence != NOTE_SEQUENCE and not (want.is_as(found) and (found.shipped_quantity or not renewed)):
                await self._company.change_line(found, want.changeable(), key)

    async def _note(self, standing: Order, note: Wanted, key: str) -> None:
        found = mapping.lines_by_sequence(standing).get(NOTE_SEQUENCE)
        if found is None or not note.same_thing(found):
            await self._company.create(f"salesOrders({standing.id})/salesOrderLines", note.json(), key)
        elif not note.is_as(found):
            await self._company.change_line(found, note.changeable(), key)


def _raise_if_shipped(line: Line, want: Wanted | None) -> None:
    """What was posted can't be taken back by an amendment."""
    if line.shipped_quantity and (want is None or not want.same_thing(line) or want.quantity < line.shipped_quantity):
        raise PermanentFault(
            f"line {line.sequence} ({line.line_object_number}) has {line.shipped_quantity} shipped, "
            f"asked is {want.quantity if want else 0}",
            code="shipped",
        )
