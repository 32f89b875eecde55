"""For any prices and quantities: parts sum to the whole, to the minor unit, in any currency."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kept.domain.money import to_decimal_string
from tests.unit.connectors.channels.amazon.orders import Json, item_2026, item_v0, order_2026, order_v0
from tests.unit.connectors.channels.amazon.recorded import read

CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "EUR"])
MINOR = st.integers(min_value=0, max_value=10_000_000)
V0_PLUS = ("ItemPrice", "ShippingPrice", "CODFee", "ItemTax", "ShippingTax")
V0_MINUS = ("PromotionDiscount", "ShippingDiscount", "CODFeeDiscount", "PromotionDiscountTax", "ShippingDiscountTax")
TYPES = ("ITEM", "SHIPPING", "GIFT_WRAP", "COD_FEE", "OTHER", "TAX", "DISCOUNT")


@st.composite
def lines(draw: st.DrawFn, names: tuple[str, ...]) -> list[tuple[int, dict[str, int]]]:
    """Quantities with amounts in minor units, by name."""
    line = st.tuples(st.integers(min_value=1, max_value=50), st.fixed_dictionaries(dict.fromkeys(names, MINOR)))
    return draw(st.lists(line, min_size=1, max_size=5))


@given(lines((*V0_PLUS, *V0_MINUS)), CURRENCIES)
def test_v0_lines_sum_to_what_the_buyer_pays(wanted: list[tuple[int, dict[str, int]]], currency: str) -> None:
    def money(minor: int) -> Json:
        return {"CurrencyCode": currency, "Amount": to_decimal_string(minor, currency)}

    items = [
        item_v0(OrderItemId=str(number), QuantityOrdered=quantity)
        | {name: money(amount) for name, amount in amounts.items()}
        for number, (quantity, amounts) in enumerate(wanted, start=1)
    ]
    owed = sum(sum(each[name] for name in V0_PLUS) - sum(each[name] for name in V0_MINUS) for _, each in wanted)
    order = order_v0(*items)
    if owed >= 0:
        order["OrderTotal"] = money(owed)
    else:
        del order["OrderTotal"]
    content = read(order)
    assert content.computed_total_minor() == content.total_minor
    if not content.tax_included:
        assert content.total_minor == owed
    for line, (quantity, amounts) in zip(content.lines, wanted, strict=True):
        assert line.quantity == quantity
        net = line.unit_price_minor * quantity - line.discount_minor
        assert net == amounts["ItemPrice"] - amounts["PromotionDiscount"]
        assert 0 <= line.discount_minor - amounts["PromotionDiscount"] < quantity


@given(lines(TYPES), CURRENCIES)
def test_the_proceeds_of_2026_sum_to_the_grand_total(wanted: list[tuple[int, dict[str, int]]], currency: str) -> None:
    def money(minor: int) -> Json:
        return {"currencyCode": currency, "amount": to_decimal_string(minor, currency)}

    def breakdowns(amounts: dict[str, int]) -> list[Json]:
        signed = amounts | {"DISCOUNT": -amounts["DISCOUNT"]}
        return [{"type": name, "subtotal": money(amount)} for name, amount in signed.items()]

    items = [
        item_2026(
            orderItemId=str(number),
            quantityOrdered=quantity,
            fulfillment={"quantityFulfilled": 0, "quantityUnfulfilled": quantity},
            proceeds={"breakdowns": breakdowns(amounts)},
        )
        for number, (quantity, amounts) in enumerate(wanted, start=1)
    ]
    owed = sum(sum(amounts.values()) - 2 * amounts["DISCOUNT"] for _, amounts in wanted)
    content = read(order_2026(*items, proceeds={"grandTotal": money(owed)} if owed >= 0 else None))
    assert not content.tax_included or sum(line.tax_minor for line in content.lines) == 0
    assert content.computed_total_minor() == content.total_minor == owed
    for line, (quantity, amounts) in zip(content.lines, wanted, strict=True):
        assert line.unit_price_minor * quantity - line.discount_minor == amounts["ITEM"] - amounts["DISCOUNT"]


@given(MINOR, st.integers(min_value=1, max_value=1000), CURRENCIES)
def test_a_line_never_charges_the_price_once_more_per_piece(minor: int, quantity: int, currency: str) -> None:
    """What a reader of v0 gets wrong who takes ItemPrice for the price of one piece."""
    amount = {"CurrencyCode": currency, "Amount": to_decimal_string(minor, currency)}
    item = item_v0(QuantityOrdered=quantity, ItemPrice=amount)
    del item["ItemTax"]
    (line,) = read(order_v0(item, OrderTotal=amount)).lines
    assert line.unit_price_minor * quantity - line.discount_minor == minor
    assert line.unit_price_minor <= minor // quantity + 1
