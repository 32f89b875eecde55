"""The REST ERP: what is sent, and what its answers are checked for."""

from __future__ import annotations

import httpx2
import orjson
import pytest

from kept.connectors.erps.rest.client import RestErp
from kept.connectors.erps.rest.mapping import customer_key
from kept.connectors.http import HttpTarget
from kept.ports import ItemCheck, PermanentFault, TemporaryFault, UnknownResult
from tests.conformance.operations import ADDRESS, KEY, ORDER, POSTING, REFERENCE
from tests.conformance.vendors import FakeErp
from tests.conformance.wire import answer


def erp_over(transport: httpx2.AsyncBaseTransport) -> RestErp:
    return RestErp(
        HttpTarget("erp:main", "http://erp.test", timeout_s=5, requests_at_once=4, headers={}, transport=transport)
    )


def answering(status: int, body: object) -> RestErp:
    return erp_over(httpx2.MockTransport(lambda request: answer(status, body)))


async def test_checks_come_in_the_order_asked_whatever_order_the_erp_has() -> None:
    checks = await erp_over(FakeErp().transport()).check_items(["S1", "S2", "NO"])
    assert checks == [ItemCheck("S1", True, True), ItemCheck("S2", True, False), ItemCheck("NO", False, False)]


async def test_many_skus_are_asked_a_thousand_at_a_time() -> None:
    sizes = []
    erp = FakeErp()

    def handle(request: httpx2.Request) -> httpx2.Response:
        sizes.append(len(orjson.loads(request.content)["skus"]))
        return erp.handle(request)

    skus = [f"S{number}" for number in range(2100)]
    checks = await erp_over(httpx2.MockTransport(handle)).check_items(skus)
    assert sizes == [1000, 1000, 100]
    assert [check.sku for check in checks] == skus


async def test_no_skus_are_no_call() -> None:
    assert await answering(500, {}).check_items([]) == []


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"sku": "S1", "known": True, "saleable": True}] * 2,
        [{"sku": "S1", "known": 1, "saleable": True}],
        [{"sku": "S2", "known": True, "saleable": True}],
    ],
)
async def test_a_check_that_leaves_out_or_doubles_a_sku_is_no_answer(items: list[object]) -> None:
    with pytest.raises(TemporaryFault, match="can't be used"):
        await answering(200, {"items": items}).check_items(["S1"])


async def test_the_order_on_the_wire_is_the_contracts() -> None:
    erp = FakeErp()
    await erp_over(erp.transport()).book(ORDER, KEY)
    assert erp.documents["orders"][REFERENCE]["asked"] == {
        "reference": REFERENCE,
        "channel": "shop",
        "channel_number": "#1001",
        "customer_id": "C-1",
        "currency": "EUR",
        "placed_at": "2026-11-03T09:00:00Z",
        "ship_to": {
            "name": "Zoë Weiß",
            "company": "",
            "line1": "Quai 1",
            "line2": "",
            "city": "Lyon",
            "region": "",
            "postal_code": "69002",
            "country": "FR",
            "phone": "",
        },
        "lines": [
            {
                "line_no": 1,
                "sku": "S1",
                "quantity": 2,
                "unit_price_minor": 1000,
                "discount_minor": 0,
                "tax_minor": 100,
                "free": False,
            }
        ],
        "shipping_minor": 500,
        "shipping_tax_minor": 0,
        "total_minor": 2600,
        "tax_included": False,
        "version": 1,
    }


async def test_an_answer_about_another_order_is_not_taken_for_ours() -> None:
    other = {"order_id": "SO-9", "reference": "K7Q2F-000000999", "total_minor": 2600, "currency": "EUR"}
    with pytest.raises(UnknownResult, match="K7Q2F-000000999"):
        await answering(201, other).book(ORDER, KEY)
    with pytest.raises(TemporaryFault, match="K7Q2F-000000999"):
        await answering(200, {"orders": [other]}).find_order(REFERENCE)


async def test_an_answer_without_an_id_is_no_answer() -> None:
    nameless = {"order_id": "", "reference": REFERENCE, "total_minor": 2600, "currency": "EUR"}
    with pytest.raises(UnknownResult, match="order_id is empty"):
        await answering(201, nameless).book(ORDER, KEY)


async def test_two_orders_under_one_reference_are_a_persons() -> None:
    one = {"order_id": "SO-1", "reference": REFERENCE, "total_minor": 2600, "currency": "EUR"}
    with pytest.raises(PermanentFault, match="SO-1, SO-2") as caught:
        await answering(200, {"orders": [one, {**one, "order_id": "SO-2"}]}).find_order(REFERENCE)
    assert caught.value.code == "ambiguous"


async def test_a_reference_with_other_content_is_a_conflict() -> None:
    erp = FakeErp()
    client = erp_over(erp.transport())
    await client.book(ORDER, KEY)
    erp.documents["orders"][REFERENCE]["asked"] = {}
    with pytest.raises(PermanentFault) as caught:
        await client.book(ORDER, KEY)
    assert caught.value.code == "reference_conflict"


async def test_an_unknown_order_cannot_be_withdrawn() -> None:
    with pytest.raises(PermanentFault) as caught:
        await erp_over(FakeErp().transport()).withdraw("UNKNOWN", KEY)
    assert caught.value.code == "not_found"


async def test_references_are_one_segment_of_the_path_whatever_they_hold() -> None:
    paths = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        paths.append(request.url.raw_path)
        return answer(404, {})

    await erp_over(httpx2.MockTransport(handle)).find_shipment(
        type(POSTING)("a/../b?c#d", "ü %", POSTING.shipped_at, ())
    )
    assert paths == [b"/v1/orders/a%2F..%2Fb%3Fc%23d/shipments/%C3%BC%20%25"]


async def test_one_buyer_of_one_account_is_one_customer() -> None:
    assert customer_key("shop", "Zoe@Example.com ") == customer_key("shop", "zoe@example.com")
    assert customer_key("shop", "zoe@example.com") != customer_key("app", "zoe@example.com")
    assert len(customer_key("shop", "")) == 32
    assert (await erp_over(FakeErp().transport()).resolve_customer("shop", "a@b.c", ADDRESS)).startswith("C-")
