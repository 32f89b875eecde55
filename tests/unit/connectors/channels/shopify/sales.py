"""One sale in Shopify's two forms: the order resource of a webhook, and the node of a GraphQL query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kept.domain.money import to_decimal_string

Json = dict[str, Any]
NO_PAGE = {"hasNextPage": False, "endCursor": None}


@dataclass(frozen=True)
class SoldLine:
    """Amounts are minor units; discounts and taxes are of the ordered quantity."""

    number: int
    quantity: int
    price: int
    removed: int = 0  # pieces that a refund took off, with all that belongs to them
    sku: str | None = "S"
    ships: bool = True
    grams: int = 0
    discounts: tuple[int, ...] = ()
    taxes: tuple[int, ...] = ()
    removed_discount: int = 0
    removed_tax: int = 0
    attributes: tuple[tuple[str, str], ...] = ()
    is_tip: bool = False


@dataclass(frozen=True)
class SaleOfShop:
    """A sale and what became of it."""

    lines: tuple[SoldLine, ...]
    number: int = 5001
    currency: str = "USD"
    shipping: int = 0
    shipping_tax: int = 0
    shipping_back: int = 0  # refunded of the shipping
    shipping_title: str | None = "Standard"
    tip: int = 0
    duties: int | None = None
    paid_back: int = 0
    taxes_included: bool = False
    financial: str | None = "PAID"
    fulfilment: str = "UNFULFILLED"
    created_at: str = "2026-11-03T13:00:00Z"
    updated_at: str = "2026-11-03T14:00:01Z"
    cancelled_at: str | None = None
    test: bool = False
    email: str | None = "zoe@example.com"
    address: bool = True
    attributes: tuple[tuple[str, str], ...] = ()
    held: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Of what is still wanted."""
        goods = tax = 0
        for line in self.lines:
            left = line.quantity - line.removed
            if left:
                goods += line.price * left - (sum(line.discounts) - line.removed_discount)
                tax += sum(line.taxes) - line.removed_tax
        charges = self.shipping - self.shipping_back + (self.duties or 0)
        if not any(line.is_tip for line in self.lines):
            charges += self.tip
        return goods + charges + (0 if self.taxes_included else tax + self.shipping_tax)

    @property
    def has_refund(self) -> bool:
        return bool(self.paid_back or self.shipping_back or any(line.removed for line in self.lines))

    # ---------------------------------------------------------- as a webhook

    def resource(self) -> Json:
        return {
            "id": self.number,
            "name": f"#{self.number}",
            "order_number": self.number,
            "currency": self.currency,
            "presentment_currency": "EUR",
            "created_at": _with_offset(self.created_at),
            "updated_at": _with_offset(self.updated_at),
            "cancelled_at": self.cancelled_at,
            "test": self.test,
            "taxes_included": self.taxes_included,
            "duties_included": False,
            "financial_status": self.financial.lower() if self.financial else None,
            "fulfillment_status": "fulfilled" if self.fulfilment == "FULFILLED" else None,
            "email": self.email or "",
            "phone": None,
            "note_attributes": _pairs(self.attributes, "name"),
            "total_price": "999.99",
            "current_total_price": self._money(self.total),
            "total_tip_received": self._money(self.tip),
            "current_total_duties_set": None if self.duties is None else self._set(self.duties),
            "current_total_additional_fees_set": None,
            "shipping_address": self._address("province_code", "country_code", "first_name", "last_name"),
            "shipping_lines": self._shipping_resource(),
            "line_items": [self._line_resource(line) for line in self.lines],
            "refunds": [self._refund_resource()] if self.has_refund else [],
            "fulfillments": [],
        }

    def _line_resource(self, line: SoldLine) -> Json:
        return {
            "id": line.number,
            "sku": line.sku,
            "title": f"Thing {line.number}",
            "quantity": line.quantity,
            "current_quantity": line.quantity - line.removed,
            "price": self._money(line.price),
            "grams": line.grams,
            "requires_shipping": line.ships,
            "properties": _pairs(line.attributes, "name"),
            "discount_allocations": [{"amount": self._money(each)} for each in line.discounts],
            "tax_lines": [{"price": self._money(each)} for each in line.taxes],
        } | ({"tip": {"payment_gateway": None}, "tip_payment_gateway": "card"} if line.is_tip else {})

    def _shipping_resource(self) -> list[Json]:
        if self.shipping_title is None:
            return []
        return [
            {
                "title": self.shipping_title,
                "code": "C",
                "price": self._money(self.shipping),
                "is_removed": False,
                "current_discounted_price_set": self._set(self.shipping - self.shipping_back),
                "tax_lines": [{"price": self._money(self.shipping_tax)}],
            }
        ]

    def _refund_resource(self) -> Json:
        rows = [
            {
                "line_item_id": line.number,
                "quantity": line.removed,
                # Numbers, as Shopify writes them here and nowhere else.
                "subtotal": float(self._money(line.price * line.removed - line.removed_discount)),
                "total_tax": float(self._money(line.removed_tax)),
            }
            for line in self.lines
            if line.removed
        ]
        paid = {"kind": "refund", "status": "success", "amount": self._money(self.paid_back), "currency": self.currency}
        shipping = {"kind": "shipping_refund", "amount": self._money(-self.shipping_back), "tax_amount": "0.00"}
        return {
            "refund_line_items": rows,
            "order_adjustments": [shipping] if self.shipping_back else [],
            "transactions": [paid] if self.paid_back else [],
        }

    # ---------------------------------------------------------- as GraphQL

    @property
    def gid(self) -> str:
        return f"gid://shopify/Order/{self.number}"

    def node(self) -> Json:
        """With every field that the schema has and we ask for; refunds in full."""
        return {
            "id": self.gid,
            "name": f"#{self.number}",
            "number": self.number,
            "currencyCode": self.currency,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "cancelledAt": self.cancelled_at,
            "test": self.test,
            "taxesIncluded": self.taxes_included,
            "dutiesIncluded": False,
            "displayFinancialStatus": self.financial,
            "displayFulfillmentStatus": self.fulfilment,
            "email": self.email,
            "phone": None,
            "customAttributes": _pairs(self.attributes, "key"),
            "totalPriceSet": self._bag(99999),
            "currentTotalPriceSet": self._bag(self.total),
            "totalTipReceivedSet": self._bag(self.tip),
            "currentTotalDutiesSet": None if self.duties is None else self._bag(self.duties),
            "currentTotalAdditionalFeesSet": None,
            "shippingAddress": self._address("provinceCode", "countryCodeV2", "firstName", "lastName"),
            "shippingLines": {"nodes": self._shipping_nodes(), "pageInfo": NO_PAGE},
            "lineItems": {"nodes": [self._line_node(line) for line in self.lines], "pageInfo": NO_PAGE},
            "refunds": [self.refund_node()] if self.has_refund else [],
            "fulfillmentOrders": {
                "nodes": [
                    {
                        "status": "ON_HOLD" if self.held else "OPEN",
                        "fulfillmentHolds": [{"reason": each} for each in self.held],
                    }
                ]
            },
        }

    def _line_node(self, line: SoldLine) -> Json:
        return {
            "id": f"gid://shopify/LineItem/{line.number}",
            "sku": line.sku,
            "title": f"Thing {line.number}",
            "quantity": line.quantity,
            "currentQuantity": line.quantity - line.removed,
            "requiresShipping": line.ships,
            "weight": {"value": line.grams / 1000, "unit": "KILOGRAMS"},
            "originalUnitPriceSet": self._bag(line.price),
            "customAttributes": _pairs(line.attributes, "key"),
            "discountAllocations": [{"allocatedAmountSet": self._bag(each)} for each in line.discounts],
            "taxLines": [{"priceSet": self._bag(each)} for each in line.taxes],
        }

    def _shipping_nodes(self) -> list[Json]:
        if self.shipping_title is None:
            return []
        return [
            {
                "title": self.shipping_title,
                "code": "C",
                "isRemoved": False,
                "originalPriceSet": self._bag(self.shipping),
                "currentDiscountedPriceSet": self._bag(self.shipping - self.shipping_back),
                "taxLines": [{"priceSet": self._bag(self.shipping_tax)}],
            }
        ]

    def refund_node(self) -> Json:
        rows = [
            {
                "quantity": line.removed,
                "lineItem": {"id": f"gid://shopify/LineItem/{line.number}"},
                "subtotalSet": self._bag(line.price * line.removed - line.removed_discount),
                "totalTaxSet": self._bag(line.removed_tax),
            }
            for line in self.lines
            if line.removed
        ]
        shipping = {"subtotalAmountSet": self._bag(self.shipping_back), "taxAmountSet": self._bag(0)}
        return {
            "id": f"gid://shopify/Refund/{self.number}",
            "order": {"updatedAt": self.updated_at},
            "totalRefundedSet": self._bag(self.paid_back),
            "refundLineItems": {"nodes": rows, "pageInfo": NO_PAGE},
            "refundShippingLines": {"nodes": [shipping] if self.shipping_back else []},
        }

    # ---------------------------------------------------------- what both have

    def _money(self, minor: int) -> str:
        return to_decimal_string(minor, self.currency)

    def _set(self, minor: int) -> Json:
        return {"shop_money": {"amount": self._money(minor)}, "presentment_money": {"amount": "1.23"}}

    def _bag(self, minor: int) -> Json:
        """GraphQL writes decimals with as few digits as it can: "10.0"."""
        return {"shopMoney": {"amount": _short(self._money(minor))}, "presentmentMoney": {"amount": "1.23"}}

    def _address(self, *names: str) -> Json | None:
        if not self.address:
            return None
        values = ("KY", "US", "Zoë", "Weiß")
        plain = {"name": None, "company": "ACME", "address1": "Quai 1", "address2": None, "city": "Louisville"}
        return (
            plain
            | {"province": "Kentucky", "zip": "40202", "phone": "+15024592181"}
            | dict(zip(names, values, strict=True))
        )


def _pairs(pairs: Sequence[tuple[str, str]], name: str) -> list[Json]:
    return [{name: key, "value": value} for key, value in pairs]


def _with_offset(moment: str) -> str:
    """The same time as Shopify's webhooks write it: in the shop's zone, here UTC-05:00."""
    hour = int(moment[11:13]) - 5
    return f"{moment[:11]}{hour:02d}{moment[13:19]}-05:00"


def _short(amount: str) -> str:
    whole, _, decimals = amount.partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"
