"""Made-up orders tie to the minor unit, in both dialects, and are the same again for the same seed."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kept.connectors.registry import CHANNELS
from kept.ports import Incoming
from kept.simulator.config import Delays
from kept.simulator.dialects import DIALECTS
from kept.simulator.faults import Behaviour, Luck
from kept.simulator.orders import Sale, cut, make_sale
from kept.simulator.payloads import Version, inhouse_order, shopify_order
from kept.simulator.script import Flavour, script

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
SALES = st.builds(make_sale, st.integers(0, 10**6), st.integers(1, 10**7), st.just(NOW))
CREATED = Version(age_s=0)


@given(SALES)
def test_every_amount_is_sensible_and_the_parts_of_a_discount_sum(sale: Sale) -> None:
    for line in sale.lines:
        assert 0 <= line.removed < line.quantity
        assert 0 <= line.discount_minor <= line.unit_price_minor * line.quantity
        assert line.tax_minor >= 0
        assert not (line.removed and (line.discount_minor or line.tax_minor))
    assert 0 <= sale.shipping_discount_minor <= sale.shipping_minor
    assert (sale.total_minor == 0) if sale.free else (sale.total_minor > 0)
    assert NOW < sale.ship_by < sale.deliver_by


@given(SALES)
def test_the_inhouse_order_ties(sale: Sale) -> None:
    order = inhouse_order(sale, CREATED)
    total = Decimal(order["shipping"])
    for line in order["lines"]:
        total += Decimal(line["unit_price"]) * line["quantity"] - Decimal(line["discount"])
        total += 0 if order["tax_included"] else Decimal(line["tax"])
    total += 0 if order["tax_included"] else Decimal(order["shipping_tax"])
    assert total == Decimal(order["total"])


@given(SALES)
def test_the_shopify_order_ties_as_bought_and_as_it_stands(sale: Sale) -> None:
    order = shopify_order(sale, CREATED)
    for name, quantity in (("total_price", "quantity"), ("current_total_price", "current_quantity")):
        total = sum((Decimal(line["price"]) * line[quantity] for line in order["line_items"]), Decimal(0))
        total -= allocated(order["line_items"])
        total += sum(Decimal(line["discounted_price"]) for line in order["shipping_lines"])
        total += 0 if order["taxes_included"] else Decimal(order["total_tax"])
        assert total == Decimal(order[name]), name
        assert Decimal(order[f"{name}_set"]["shop_money"]["amount"]) == total
    assert allocated(order["line_items"] + order["shipping_lines"]) == Decimal(order["total_discounts"])
    assert sum(tax_of(line) for line in order["line_items"] + order["shipping_lines"]) == Decimal(order["total_tax"])
    applications = len(order["discount_applications"])
    for line in order["line_items"] + order["shipping_lines"]:
        for allocation in line["discount_allocations"]:
            assert 0 <= allocation["discount_application_index"] < applications
    refunded = {
        item["line_item_id"]: item["quantity"] for each in order["refunds"] for item in each["refund_line_items"]
    }
    for line in order["line_items"]:
        assert line["quantity"] - line["current_quantity"] == refunded.get(line["id"], 0)


def allocated(lines: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(each["amount"]) for line in lines for each in line["discount_allocations"]), Decimal(0))


def tax_of(line: dict[str, Any]) -> Decimal:
    return sum((Decimal(tax["price"]) for tax in line["tax_lines"]), Decimal(0))


def test_the_same_seed_tells_the_same_order() -> None:
    assert make_sale(7, 42, NOW) == make_sale(7, 42, NOW)
    assert make_sale(7, 42, NOW) != make_sale(8, 42, NOW)


def test_a_few_hundred_orders_show_every_kind() -> None:
    sales = [make_sale(1, seq, NOW) for seq in range(1, 601)]
    assert {sale.currency for sale in sales} == {"USD", "EUR", "JPY"}
    assert len({sale.ship_to.country for sale in sales}) > 20
    assert any(not sale.ship_to.name.isascii() for sale in sales)
    assert any(sale.free for sale in sales)
    assert any(sale.tax_included for sale in sales)
    assert any(line.line_discount_minor for sale in sales for line in sale.lines)
    assert any(line.order_discount_minor for sale in sales for line in sale.lines)
    assert any(line.removed for sale in sales for line in sale.lines)
    assert any(not line.requires_shipping for sale in sales for line in sale.lines)


def test_yen_have_no_decimals() -> None:
    sale = next(sale for seq in range(1, 999) if (sale := make_sale(1, seq, NOW)).currency == "JPY")
    assert "." not in inhouse_order(sale, CREATED)["total"]
    assert "." not in shopify_order(sale, CREATED)["total_price"]


def test_a_cancelled_shopify_order_has_nothing_left_of_it() -> None:
    order = shopify_order(make_sale(1, 1, NOW), Version(age_s=3, cancelled=True))
    assert order["cancelled_at"] > order["created_at"]
    assert Decimal(order["current_total_price"]) == 0
    assert all(line["current_quantity"] == 0 for line in order["line_items"])


def all_of(**shares: float) -> Luck:
    return Luck(1, Behaviour(**dict.fromkeys(Behaviour.__dataclass_fields__, 0.0) | shares))


def test_a_calm_script_is_one_create() -> None:
    drafts = script(all_of(), "shop", 1, Delays(), free=False)
    assert [draft.topic for draft in drafts] == ["orders/create"]


def test_an_update_overtakes_its_create_and_is_the_newer_revision() -> None:
    create, update = script(all_of(updated_first=1), "shop", 1, Delays(), free=False)
    assert update.after_s < create.after_s
    assert update.version.age_s > create.version.age_s


def test_a_pending_order_is_paid_later_and_a_free_one_never_waits() -> None:
    create, paid = script(all_of(pending=1), "shop", 1, Delays(), free=False)
    assert create.version.pending
    assert (paid.topic, paid.version.pending) == ("orders/paid", False)
    assert not script(all_of(pending=1), "shop", 1, Delays(), free=True)[0].version.pending


def test_a_duplicate_has_the_same_name_and_a_twin_a_new_one() -> None:
    create, duplicate = script(all_of(duplicates=1), "shop", 1, Delays(), free=False)
    assert create.name == duplicate.name
    create, twin = script(all_of(twins=1), "shop", 1, Delays(), free=False)
    assert create.name != twin.name
    assert create.version == twin.version


def test_a_stale_revision_comes_last() -> None:
    create, edit, stale = script(all_of(edits=1, stale=1), "shop", 1, Delays(), free=False)
    assert stale.after_s > edit.after_s
    assert stale.version == create.version


def test_bad_messages_are_extra() -> None:
    drafts = script(all_of(malformed=1, forged=1), "shop", 1, Delays(), free=False)
    assert [draft.flavour for draft in drafts] == [Flavour.GOOD, Flavour.MALFORMED, Flavour.FORGED]


def test_a_piece_that_is_taken_off_leaves_a_sale_that_ties_in_every_dialect() -> None:
    seen = 0
    for seq in range(1, 200):
        sale = make_sale(1, seq, NOW)
        fewer = cut(sale)
        if fewer == sale:
            continue
        seen += 1
        assert sum(line.wanted for line in sale.lines) - sum(line.wanted for line in fewer.lines) == 1
        version = Version(age_s=3, cut=True)
        for kind, account in (("inhouse", "inhouse"), ("shopify", "shop")):
            body = DIALECTS[kind].body(fewer, version)
            headers = {"x-shopify-topic": "orders/updated"}
            said = CHANNELS[kind].normalise(account, Incoming(headers, body), NOW)
            assert said is not None
            assert said.computed_total_minor() == said.total_minor == fewer.total_minor
    assert seen > 50


def test_a_piece_is_taken_off_later_and_never_of_a_cancelled_order() -> None:
    create, less = script(all_of(cuts=1), "shop", 1, Delays(), free=False)
    assert (less.version.cut, less.version.age_s > create.version.age_s) == (True, True)
    drafts = script(all_of(cuts=1, cancels_soon=1), "shop", 1, Delays(), free=False)
    assert not any(draft.version.cut for draft in drafts)
