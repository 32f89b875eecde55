"""Stock at Shopify: compared before it is swapped, all rows that it takes, each refusal named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import httpx2
import orjson
import pytest

from kept.connectors.channels.shopify.codes import STOCK_ERRORS, STOCK_REFUSALS
from kept.connectors.channels.shopify.stock import ShopifyStock, search
from kept.connectors.http import HttpTarget
from kept.ports import PermanentFault, StockOffer, TemporaryFault
from tests.conformance.vendors import page
from tests.conformance.wire import NO_LIMITS, answer

Json = dict[str, Any]
BURNT = {"code": "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "field": None, "message": "No."}
D = "gid://shopify/InventoryItem/4"
A, B, C = "gid://shopify/InventoryItem/1", "gid://shopify/InventoryItem/2", "gid://shopify/InventoryItem/3"


class StockingShop:
    """Items by SKU and their quantities; takes all rows of a call or none, and remembers keys with their content."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str]] = [(A, "A"), (B, "B"), (C, "C")]
        self.quantities = {A: 5, B: 5, C: 5}
        self.locations = ["gid://shopify/Location/1"]
        self.errors: list[Json] = []
        self.keys: dict[str, Json] = {}
        self.asked: list[str] = []
        self.sent: list[Json] = []  # inputs that were looked at, as no error was told at once
        self.sold_after_look: dict[str, int] = {}

    def port(self, location: str = "") -> ShopifyStock:
        target = HttpTarget(
            "channel:shop",
            "http://shop",
            timeout_s=5,
            requests_at_once=2,
            headers={},
            shared=NO_LIMITS,
            transport=httpx2.MockTransport(self.handle),
        )
        return ShopifyStock(target, location)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        found = re.search(r"\{\s*(\w+)", body["query"])
        assert found
        self.asked.append(found[1])
        match found[1]:
            case "locations":
                return answer(200, {"data": {"locations": {"nodes": [{"id": gid} for gid in self.locations]}}})
            case "inventoryItems":
                wanted = set(re.findall(r"sku:'([^']*)'", body["variables"]["query"]))
                # A real search finds more than what is equal.
                nodes = [{"id": gid, "sku": sku} for gid, sku in self.items if {sku, sku.upper()} & wanted]
                return answer(200, {"data": {"inventoryItems": page(nodes)}})
            case "nodes":
                levels = [self.level(gid) for gid in body["variables"]["ids"]]
                self.quantities |= self.sold_after_look
                return answer(200, {"data": {"nodes": levels}})
        return answer(200, {"data": {"inventorySetQuantities": {"userErrors": self._set(body["variables"])}}})

    def level(self, gid: str) -> Json | None:
        quantity = self.quantities.get(gid)
        told = {"quantities": [{"name": "available", "quantity": quantity}]}
        return {"id": gid, "inventoryLevel": None if quantity is None else told}

    def _set(self, variables: Json) -> list[Json]:
        if self.errors:
            return [self.errors.pop(0)]
        given, key = variables["input"], variables["key"]
        self.sent.append(given)
        assert self.keys.setdefault(key, given) == given, "one key, two contents"
        errors = []
        for at, row in enumerate(given["quantities"]):
            before = row["changeFromQuantity"]
            if before is not None and before != self.quantities[row["inventoryItemId"]]:
                way = ["input", "quantities", str(at), "changeFromQuantity"]
                errors.append({"code": "CHANGE_FROM_QUANTITY_STALE", "field": way, "message": "It has another."})
        if not errors:
            self.quantities |= {row["inventoryItemId"]: row["quantity"] for row in given["quantities"]}
        return errors


async def refusals(port: ShopifyStock, offers: Sequence[StockOffer], key: str = "k") -> dict[str, str]:
    return {each.sku: each.code for each in await port.push(offers, key)}


async def test_quantities_are_set_and_items_looked_up_once() -> None:
    shop = StockingShop()
    port = shop.port()
    assert await refusals(port, [StockOffer("A", 7, 5), StockOffer("B", 0, None)]) == {}
    assert await refusals(port, [StockOffer("A", 8, 7)], "k2") == {}
    assert shop.quantities == {A: 8, B: 0, C: 5}
    assert shop.asked.count("inventoryItems") == 1
    assert shop.asked.count("locations") == 1


async def test_a_quantity_that_sold_meanwhile_is_stale_and_the_others_are_set() -> None:
    shop = StockingShop()
    shop.quantities[B] = 4
    offers = [StockOffer("A", 7, 5), StockOffer("B", 9, 5), StockOffer("C", 1, 5)]
    assert await refusals(shop.port(), offers) == {"B": "stale"}
    assert shop.quantities == {A: 7, B: 4, C: 1}


async def test_unknown_and_ambiguous_skus_are_named_and_hold_up_no_other() -> None:
    shop = StockingShop()
    shop.items.append(("gid://shopify/InventoryItem/4", "B"))
    shop.items.append(("gid://shopify/InventoryItem/5", "a"))  # found by the search, and not the same SKU
    offers = [StockOffer("A", 7), StockOffer("B", 7), StockOffer("NO", 7)]
    assert await refusals(shop.port(), offers) == {"B": "ambiguous", "NO": "unknown_item"}
    assert shop.quantities[A] == 7


async def test_the_same_push_again_has_the_same_key_and_another_content_another_one() -> None:
    shop = StockingShop()
    port = shop.port()
    for offer in (StockOffer("A", 7), StockOffer("A", 7), StockOffer("A", 8)):
        await port.push([offer], "k")
    assert len(shop.keys) == 2


async def test_of_two_offers_of_one_sku_the_later_counts() -> None:
    shop = StockingShop()
    await shop.port().push([StockOffer("A", 7), StockOffer("A", 9)], "k")
    assert shop.quantities[A] == 9


@pytest.mark.parametrize("locations", [[], ["gid://shopify/Location/1", "gid://shopify/Location/2"]])
async def test_several_locations_or_none_need_the_setting(locations: list[str]) -> None:
    shop = StockingShop()
    shop.locations = locations
    with pytest.raises(PermanentFault, match="set `location`"):
        await shop.port().push([StockOffer("A", 7)], "k")
    assert await refusals(shop.port("1"), [StockOffer("A", 7)]) == {}


@pytest.mark.parametrize("code", STOCK_REFUSALS)
async def test_an_error_that_blames_a_row_refuses_that_row_alone(code: str) -> None:
    shop = StockingShop()
    shop.errors = [{"code": code, "field": ["input", "quantities", "1", "quantity"], "message": "No."}]
    assert await refusals(shop.port(), [StockOffer("A", 7), StockOffer("B", 7)]) == {"B": STOCK_REFUSALS[code]}
    assert (shop.quantities[A], shop.quantities[B]) == (7, 5)


@pytest.mark.parametrize("code", [code for code in STOCK_ERRORS if code != "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"])
async def test_an_error_that_blames_the_whole_call_is_a_fault(code: str) -> None:
    shop = StockingShop()
    shop.errors = [{"code": code, "field": ["input"], "message": "No."}]
    with pytest.raises((PermanentFault, TemporaryFault), match=code):
        await shop.port().push([StockOffer("A", 7)], "k")
    assert shop.quantities[A] == 5


async def test_a_key_that_failed_before_is_replaced_by_another() -> None:
    shop = StockingShop()
    shop.errors = [BURNT]
    assert await refusals(shop.port(), [StockOffer("A", 7, 5)]) == {}
    assert shop.quantities[A] == 7
    (sent,) = shop.sent
    assert [row["changeFromQuantity"] for row in sent["quantities"]] == [5]


async def test_after_a_burnt_key_only_what_was_not_applied_is_sent_and_nothing_newer_is_overwritten() -> None:
    """The try before may have been done: A was and then sold two; B was, C was not; D sold while we asked."""
    shop = StockingShop()
    shop.items.append((D, "D"))
    shop.quantities |= {A: 5, B: 9, C: 5, D: 5}
    shop.errors = [BURNT]
    shop.sold_after_look = {D: 3}
    offers = [StockOffer("A", 7), StockOffer("B", 9, 5), StockOffer("C", 1, 5), StockOffer("D", 8, 5)]
    assert await refusals(shop.port(), offers) == {"A": "stale", "D": "stale"}
    assert shop.quantities == {A: 5, B: 9, C: 1, D: 3}
    assert [row["inventoryItemId"] for sent in shop.sent for row in sent["quantities"]] == [C, D, C]
    assert all(row["changeFromQuantity"] is not None for sent in shop.sent for row in sent["quantities"])


async def test_after_a_burnt_key_an_item_that_is_not_stocked_at_the_place_is_stale() -> None:
    shop = StockingShop()
    del shop.quantities[A]
    shop.errors = [BURNT]
    assert await refusals(shop.port(), [StockOffer("A", 7, 5)]) == {"A": "stale"}
    assert shop.sent == []


async def test_what_the_shop_has_is_looked_up_in_bounded_pieces() -> None:
    shop = StockingShop()
    gids = {f"gid://shopify/InventoryItem/{number}": f"S{number}" for number in range(100, 350)}
    shop.items, shop.quantities = list(gids.items()), dict.fromkeys(gids, 5)
    shop.errors = [BURNT]
    assert await refusals(shop.port(), [StockOffer(sku, 7, 5) for sku in gids.values()]) == {}
    assert set(shop.quantities.values()) == {7}
    assert shop.asked.count("nodes") == 3


def test_quotes_in_skus_do_not_end_the_search() -> None:
    assert search(["O'NEIL", "B\\1"]) == r"sku:'O\'NEIL' OR sku:'B\\1'"


@pytest.mark.parametrize("field", [["input"], ["input", "quantities", "0", "quantity"]])
async def test_a_code_that_is_not_in_the_table_is_a_permanent_fault_that_names_it(field: list[str]) -> None:
    shop = StockingShop()
    shop.errors = [{"code": "COUNTED_BY_PIGEON", "field": field, "message": "No."}]
    with pytest.raises(PermanentFault, match="COUNTED_BY_PIGEON") as fault:
        await shop.port().push([StockOffer("A", 7)], "k")
    assert (type(fault.value), fault.value.code) == (PermanentFault, "COUNTED_BY_PIGEON")
    assert shop.quantities[A] == 5
