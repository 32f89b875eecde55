"""The worst that can befall a booking in a real Tryton, and it is still one sale."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import orjson
import pytest

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_erp
from kept.ports import AccessRefused, Erp, Fault, PermanentFault, SalesOrder, TemporaryFault, UnknownResult
from tests.erps.tryton_desk import Desk
from tests.erps.tryton_orders import ADDRESS, line, new_reference, open_erp, order_of, posting_of, settings
from tests.erps.tryton_server import TRYTON, TrytonServer

pytestmark = TRYTON
KEY = "K7Q2F-000000123:book:1"
CALLERS = 8


class Before(httpx2.AsyncBaseTransport):
    """Tryton, with something done to the first call of a method: to what is asked, or to what is answered."""

    def __init__(
        self, method: str, change: Callable[[httpx2.Request, httpx2.AsyncBaseTransport], Awaitable[object]]
    ) -> None:
        self._method = method.encode()
        self._change = change
        self._network = httpx2.AsyncHTTPTransport()
        self.met = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not self.met and self._method in request.content:
            self.met = True
            answer = await self._change(request, self._network)
            assert isinstance(answer, httpx2.Response)
            return answer
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()


def order_for(customer: str) -> SalesOrder:
    return order_of(line(1, "S1", 2, 1000, tax=400), customer=customer)


async def all_of(erps: list[Erp], act: Callable[[Erp], Awaitable[object]]) -> list[object]:
    """What callers at the same time get, each asking again as the engine does when nothing was done or known."""

    async def insist(erp: Erp) -> object:
        for _ in range(10):
            try:
                return await act(erp)
            except (TemporaryFault, UnknownResult):
                await asyncio.sleep(0.05)  # as the retry policy would, only sooner
        return await act(erp)

    return await asyncio.gather(*(insist(erp) for erp in erps))


async def test_eight_callers_of_one_reference_make_one_sale(tryton: TrytonServer, desk: Desk, tmp_path: Path) -> None:
    opened = [open_erp(tryton, tmp_path) for _ in range(CALLERS)]
    erps = [erp for erp, _ in opened]
    try:
        email = f"{new_reference()}@example.com"
        customers = await all_of(erps, lambda erp: erp.customers.resolve_customer("shop", email, ADDRESS))
        assert len(set(customers)) == 1
        order = order_for(str(customers[0]))
        booked = await all_of(erps, lambda erp: erp.booking.book(order, KEY))
        assert len(set(booked)) == 1
        (sale,) = desk.sales(order.reference, "state", "shipments")
        assert sale["state"] == "processing"
        assert len(sale["shipments"]) == 1
        assert len(desk.find("party.address", [["party", "=", int(order.customer_id)]])) == 1
        posted = await all_of(erps, lambda erp: erp.shipments.post_shipment(posting_of(order), KEY))
        assert len(set(posted)) == 1
        (sale,) = desk.sales(order.reference, "shipment_state", "shipments", "invoices")
        assert (sale["shipment_state"], len(sale["shipments"]), len(sale["invoices"])) == ("sent", 1, 1)
    finally:
        for _, targets in opened:
            await targets.aclose()


async def test_eight_callers_withdraw_once(tryton: TrytonServer, desk: Desk, customer: str, tmp_path: Path) -> None:
    opened = [open_erp(tryton, tmp_path) for _ in range(CALLERS)]
    erps = [erp for erp, _ in opened]
    try:
        order = order_for(customer)
        await erps[0].booking.book(order, KEY)
        withdrawn = await all_of(erps, lambda erp: erp.withdrawal.withdraw(order.reference, KEY))
        assert len(set(withdrawn)) == 1
        (sale,) = desk.sales(order.reference, "state", "shipment_state")
        assert (sale["state"], sale["shipment_state"]) == ("done", "none")
    finally:
        for _, targets in opened:
            await targets.aclose()


async def lost(request: httpx2.Request, network: httpx2.AsyncBaseTransport) -> object:
    """Tryton has done it, and we never hear."""
    response = await network.handle_async_request(request)
    await response.aread()
    await response.aclose()
    raise httpx2.ReadTimeout("no answer")


@pytest.mark.parametrize("method", ["party.party.write", "sale.sale.create", "sale.sale.quote", "sale.sale.confirm"])
async def test_whichever_answer_of_a_booking_is_lost_the_next_try_goes_on_with_the_same_sale(
    method: str, tryton: TrytonServer, desk: Desk, erp: Erp, tmp_path: Path
) -> None:
    order = order_for(await erp.customers.resolve_customer("shop", f"{new_reference()}@example.com", ADDRESS))
    wire = Before(method, lost)
    through, targets = open_erp(tryton, tmp_path, wire)
    with pytest.raises(UnknownResult, match=f"model.{method} may have been done"):
        await through.booking.book(order, KEY)
    assert wire.met
    found = await through.booking.find_order(order.reference)
    assert (found is not None) == (method == "sale.sale.confirm")
    booked = await through.booking.book(order, KEY)
    assert found in {None, booked}
    (sale,) = desk.sales(order.reference, "state")
    assert (str(sale["id"]), sale["state"]) == (booked.erp_order_id, "processing")
    assert len(desk.find("party.address", [["party", "=", int(order.customer_id)]])) == 1
    await targets.aclose()


@pytest.mark.parametrize(
    "method",
    ["out.write", "stock.move.write", "out.assign_try", "out.pick", "out.pack", "out.do"],
)
async def test_whichever_answer_of_a_posting_is_lost_the_next_try_finishes_the_same_shipment(
    method: str, tryton: TrytonServer, desk: Desk, erp: Erp, customer: str, tmp_path: Path
) -> None:
    order = order_for(customer)
    await erp.booking.book(order, KEY)
    posting = posting_of(order, {1: 1})
    wire = Before(method, lost)
    through, targets = open_erp(tryton, tmp_path, wire)
    with pytest.raises(UnknownResult):
        await through.shipments.post_shipment(posting, KEY)
    found = await through.shipments.find_shipment(posting)
    assert (found is not None) == (method == "out.do")
    posted = await through.shipments.post_shipment(posting, KEY)
    assert found in {None, posted}
    shipments = desk.find("stock.shipment.out", [["reference", "=", posting.reference]], "number", "state")
    assert [(each["number"], each["state"]) for each in shipments] == [(posted.erp_shipment_id, "done")]
    await targets.aclose()


async def test_a_server_that_dies_in_the_middle_of_a_call_is_no_second_sale(
    tryton: TrytonServer, desk: Desk, customer: str, tmp_path: Path
) -> None:
    async def killed(request: httpx2.Request, network: httpx2.AsyncBaseTransport) -> object:
        asking = asyncio.ensure_future(network.handle_async_request(request))
        await asyncio.sleep(0)
        await asyncio.to_thread(tryton.kill)
        return await asking

    order = order_for(customer)
    wire = Before("sale.sale.confirm", killed)
    through, targets = open_erp(tryton, tmp_path, wire)
    with pytest.raises(Fault) as caught:
        await through.booking.book(order, KEY)
    assert isinstance(caught.value, UnknownResult | TemporaryFault)
    with pytest.raises(TemporaryFault, match="can't be reached"):
        await through.booking.find_order(order.reference)
    await asyncio.to_thread(tryton.start)
    booked = await through.booking.book(order, KEY)
    (sale,) = desk.sales(order.reference, "state")
    assert (str(sale["id"]), sale["state"]) == (booked.erp_order_id, "processing")
    await targets.aclose()


# ------------------------------------------------------------------ answers that are none


def saying(result: object) -> Callable[[httpx2.Request, httpx2.AsyncBaseTransport], Awaitable[object]]:
    async def answer(request: httpx2.Request, network: httpx2.AsyncBaseTransport) -> object:
        body = orjson.dumps(result if isinstance(result, dict) else {"id": 1, "result": result})
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(gzip.compress(body)))

    return answer


@pytest.mark.parametrize(
    ("method", "result", "named"),
    [
        ("product.search_read", [{"id": 1, "code": "S1", "active": 1, "salable": True}], r"\$\.result\[0\]\.active"),
        ("product.search_read", [{"id": 1, "code": "S1", "active": True}], "salable"),
        ("product.search_read", None, r"got `null`"),
        ("get_preferences", {"id": 1, "result": {"company": "1"}}, r"\$\.result\.company"),
        ("product.search_read", {"id": 2, "result": []}, "id is 2, asked was 1"),
    ],
)
async def test_an_answer_that_breaks_its_schema_names_the_field(
    method: str, result: object, named: str, tryton: TrytonServer, tmp_path: Path
) -> None:
    erp, targets = open_erp(tryton, tmp_path, Before(method, saying(result)))
    with pytest.raises(TemporaryFault, match=named):
        await erp.items.check_items(["S1"])
    await targets.aclose()


@pytest.mark.parametrize(
    ("error", "fault", "text"),
    [
        (["UserError", ["Not allowed", "for a@b.example", None]], PermanentFault, "Not allowed for (e-mail)"),
        (["UserWarning", ["name", "Are you sure?", ""]], PermanentFault, "UserWarning: name Are you sure?"),
        (["ConcurrencyException", "Records were modified"], TemporaryFault, "Records were modified"),
        (["LoginException", ["password", "Password", "password"]], AccessRefused, "LoginException"),
        (["'NoneType' object", "Traceback: secret"], UnknownResult, "'NoneType' object"),
        ([], UnknownResult, "an error of its own"),
    ],
)
async def test_an_error_is_a_fault_by_its_name_and_shows_no_traceback(
    error: list[object], fault: type[Fault], text: str, tryton: TrytonServer, customer: str, tmp_path: Path
) -> None:
    wire = Before("sale.sale.create", saying({"id": 1, "error": error}))
    erp, targets = open_erp(tryton, tmp_path, wire)
    with pytest.raises(fault) as caught:
        await erp.booking.book(order_for(customer), KEY)
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)
    await targets.aclose()


async def test_what_tryton_says_of_a_person_is_not_repeated(tryton: TrytonServer, tmp_path: Path) -> None:
    error = {"id": 1, "error": ["UserError", ['The city of "Zoë Weiß" is wrong', "", None]]}
    erp, targets = open_erp(tryton, tmp_path, Before("party.party.create", saying(error)))
    with pytest.raises(PermanentFault, match=r"party\.create: UserError: its words may name a person") as caught:
        await erp.customers.resolve_customer("shop", f"{new_reference()}@example.com", ADDRESS)
    assert "Weiß" not in str(caught.value)
    await targets.aclose()


async def test_a_session_that_tryton_has_forgotten_is_opened_anew(
    tryton: TrytonServer, desk: Desk, tmp_path: Path
) -> None:
    erp, targets = open_erp(tryton, tmp_path)
    await erp.items.check_items(["S1"])
    await tryton.execute("DELETE FROM ir_session")
    assert (await erp.items.check_items(["S1"]))[0].known
    await targets.aclose()


async def test_a_wrong_password_is_refused_access(tryton: TrytonServer, tmp_path: Path) -> None:
    wanted = settings(tryton, tmp_path)
    (tmp_path / "tryton-password").write_text("not-the-password", encoding="utf-8")
    targets = HttpTargets()
    erp = build_erp("main", wanted, targets)
    with pytest.raises(AccessRefused):
        await erp.items.check_items(["S1"])
    await targets.aclose()


async def test_a_shop_that_tryton_does_not_have_is_named(tryton: TrytonServer, tmp_path: Path) -> None:
    erp, targets = open_erp(tryton, tmp_path, shop="Nowhere")
    with pytest.raises(PermanentFault, match="no web shop 'Nowhere'"):
        await erp.booking.find_order(new_reference())
    await targets.aclose()
