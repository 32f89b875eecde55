"""Ours <-> S/4HANA's orders. Pure. Our line n is item n x 10."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kept.connectors import erp_amounts
from kept.connectors.erp_amounts import buyer_digest, net_of_shipping, pieces_of, units
from kept.connectors.erps.sap_s4.options import Options
from kept.connectors.erps.sap_s4.schemas import Delivery, Element, Item, Order
from kept.domain.order import Address
from kept.ports import PermanentFault, SalesOrder, ShipmentPosting

REFERENCE_CHARS_MAX = 35  # PurchaseOrderByCustomer, and BillOfLading
STEP = 10
SHIPPING_ITEM = 990_000  # behind every line of ours; an item's number has six digits
_NUMBER_CHARS = 10  # of a business partner: a letter and nine hexadecimal digits, 36 bits


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item as it should be there: condition type -> rate."""

    material: str
    quantity: int
    conditions: Mapping[str, Decimal]

    def is_as(self, item: Item) -> bool:
        manual = {each.condition_type: each.condition_rate_value for each in item.to_pricing_element.results}
        rates = all(manual.get(kind, Decimal(0)) == rate for kind, rate in self.conditions.items())
        return rates and (item.material, item.requested_quantity) == (self.material, Decimal(self.quantity))


# ------------------------------------------------------------------ orders


def wanted_items(order: SalesOrder, options: Options) -> dict[int, Wanted]:
    """The items that an order should have, by number. Amounts are stated as manual conditions; tax that is in the price
    is taken out of it with the discount, and stands in its own condition."""
    currency, items = order.currency, {}
    for line in order.lines:
        off = line.discount_minor + (line.tax_minor if order.tax_included else 0)
        items[line.line_no * STEP] = Wanted(
            line.sku,
            line.quantity,
            {
                options.price_condition: units(line.unit_price_minor, currency),
                options.discount_condition: -units(off, currency),
                options.tax_condition: units(line.tax_minor, currency),
            },
        )
    if order.shipping_minor or order.shipping_tax_minor:
        conditions = {
            options.price_condition: units(net_of_shipping(order), currency),
            options.tax_condition: units(order.shipping_tax_minor, currency),
        }
        items[SHIPPING_ITEM] = Wanted(options.shipping_material, 1, conditions)
    return items


def order_json(order: SalesOrder, options: Options) -> dict[str, Any]:
    """For one deep insert."""
    if len(order.reference) > REFERENCE_CHARS_MAX:
        raise PermanentFault(
            f"reference {order.reference} has more than the {REFERENCE_CHARS_MAX} characters that there is room for",
            code="reference_too_long",
        )
    items = wanted_items(order, options)
    return {
        "SalesOrderType": options.order_type,
        "SalesOrganization": options.sales_organization,
        "DistributionChannel": options.distribution_channel,
        "OrganizationDivision": options.division,
        "SoldToParty": order.customer_id,
        "PurchaseOrderByCustomer": order.reference,
        "PurchaseOrderByShipToParty": order.channel_number[:REFERENCE_CHARS_MAX],
        "TransactionCurrency": order.currency,
        "CustomerPurchaseOrderDate": f"/Date({int(order.placed_at.timestamp()) * 1000})/",
        "to_Partner": [
            {"PartnerFunction": "SH", "Customer": order.customer_id, "to_Address": [_address(order.ship_to)]}
        ],
        "to_Item": [_item(number, item, order.currency, options) for number, item in sorted(items.items())],
    }


def _item(number: int, item: Wanted, currency: str, options: Options) -> dict[str, Any]:
    elements = []
    for kind, rate in item.conditions.items():
        element = {"ConditionType": kind, "ConditionRateValue": f"{rate:f}", "ConditionCurrency": currency}
        if kind == options.price_condition:
            element |= {"ConditionQuantity": "1", "ConditionQuantityUnit": options.unit}
        # A price of nothing is said as well: unsaid, it would be the material's own.
        if rate or kind == options.price_condition:
            elements.append(element)
    return {
        "SalesOrderItem": str(number),
        "Material": item.material,
        "RequestedQuantity": str(item.quantity),
        "RequestedQuantityUnit": options.unit,
        "ProductionPlant": options.plant,
        "to_PricingElement": elements,
    }


def _address(address: Address) -> dict[str, str]:
    return {
        "AddresseeFullName": address.name[:80],
        "OrganizationName1": (address.company or address.name)[:40],
        "StreetName": address.line1[:60],
        "StreetSuffixName1": address.line2[:40],
        "CityName": address.city[:40],
        "PostalCode": address.postal_code[:10],
        "Region": address.region[:3],
        "Country": address.country,
        "PhoneNumber": address.phone[:30],
    }


def differences(order: Order, asked: SalesOrder, options: Options) -> list[str]:
    """What of a standing order is not as asked, for people."""
    found, wanted = [], wanted_items(asked, options)
    if order.transaction_currency != asked.currency:
        found.append(f"currency {order.transaction_currency}, asked {asked.currency}")
    if order.sold_to_party != asked.customer_id:
        found.append(f"customer {order.sold_to_party}, asked {asked.customer_id}")
    items = items_by_number(order)
    for number in sorted(items.keys() | wanted.keys()):
        item, want = items.get(number), wanted.get(number)
        if want is None or item is None:
            found.append(f"item {number} {'was not asked for' if want is None else 'is not there'}")
        elif not want.is_as(item):
            found.append(
                f"item {number}: {item.material} {item.requested_quantity} ({_words(item.to_pricing_element.results)}),"
                f" asked {want.material} {want.quantity} ({', '.join(f'{k} {v}' for k, v in want.conditions.items())})"
            )
    return found


def _words(elements: list[Element]) -> str:
    return ", ".join(f"{each.condition_type} {each.condition_rate_value}" for each in elements)


def items_by_number(order: Order) -> dict[int, Item]:
    return {int(item.sales_order_item): item for item in order.to_item.results}


def line_no_of(number: int) -> int:
    """Our number of an item; 0 for one that is none of ours."""
    return number // STEP if number % STEP == 0 and number < SHIPPING_ITEM else 0


def tax_minor(order: Order) -> int:
    return minor(sum((item.tax_amount for item in order.to_item.results), Decimal(0)), order.transaction_currency)


def total_minor(order: Order) -> int:
    """The net value, and all items' tax."""
    return minor(order.total_net_amount, order.transaction_currency) + tax_minor(order)


def minor(amount: Decimal, currency: str) -> int:
    """An amount in minor units. Raises PermanentFault "amount"."""
    return erp_amounts.minor(amount, currency)


# ------------------------------------------------------------------ deliveries


def delivery_json(order: Order, posting: ShipmentPosting, options: Options) -> dict[str, Any]:
    """An outbound delivery that refers to the order's items."""
    rows = [
        {
            "ReferenceSDDocument": order.sales_order,
            "ReferenceSDDocumentItem": str(line_no * STEP),
            "ActualDeliveryQuantity": str(pieces),
            "DeliveryQuantityUnit": options.unit,
        }
        for line_no, pieces in sorted(pieces_of(posting).items())
    ]
    return {"ShippingPoint": options.shipping_point, "to_DeliveryDocumentItem": rows}


def delivered(delivery: Delivery, order: Order) -> dict[int, int]:
    """Pieces of a delivery by our line; 0 for what is none of ours."""
    pieces: dict[int, int] = {}
    for row in delivery.to_items.results:
        ours = row.reference_s_d_document == order.sales_order
        number = line_no_of(int(row.reference_s_d_document_item)) if ours else 0
        pieces[number] = pieces.get(number, 0) + int(row.actual_delivery_quantity)
    return pieces


# ------------------------------------------------------------------ buyers


def partner_number(account: str, email: str) -> str:
    """The number of a buyer, which is the key of business partners."""
    return "K" + buyer_digest(account, email)[: _NUMBER_CHARS - 1].upper()


def partner_json(number: str, address: Address, options: Options) -> dict[str, Any]:
    first, _, last = (address.name or number).rpartition(" ")
    area = {
        "SalesOrganization": options.sales_organization,
        "DistributionChannel": options.distribution_channel,
        "Division": options.division,
    }
    return {
        "BusinessPartner": number,
        "BusinessPartnerCategory": "1",  # a person
        "BusinessPartnerGrouping": options.customer_grouping,
        "FirstName": first[:40],
        "LastName": last[:40],
        "to_BusinessPartnerRole": [{"BusinessPartnerRole": role} for role in ("FLCU00", "FLCU01")],
        "to_BusinessPartnerAddress": [{"Country": address.country, "CityName": address.city[:40]}],
        "to_Customer": {"to_CustomerSalesArea": [area]},
    }
