"""What only this type of ERP is told in kept.toml: `[erps.<name>.options]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kept.connectors.options import filled, several
from kept.settings import SettingsError

_REQUIRED = (
    "user",
    "sales_organization",
    "shipping_point",
    "plant",
    "currencies",
    "price_condition",
    "discount_condition",
    "tax_condition",
    "shipping_material",
    "rejection_reason",
)
_DEFAULTS = {
    "order_type": "OR",
    "distribution_channel": "10",
    "division": "00",
    "unit": "PC",
    "customer": "",
    "customer_grouping": "",
    "storage_location": "",
}


@dataclass(frozen=True, slots=True)
class Options:
    """Codes of the installation's own customizing."""

    user: str
    sales_organization: str
    shipping_point: str
    plant: str
    currencies: tuple[str, ...]  # that orders may be in
    price_condition: str  # condition types: a manual price per piece,
    discount_condition: str  # a manual discount and
    tax_condition: str  # a manual tax, each of these two as an absolute amount of an item
    shipping_material: str  # the service that shipping is an item of
    rejection_reason: str  # of items that are withdrawn
    order_type: str
    distribution_channel: str
    division: str
    unit: str  # the unit of measure that means one piece
    customer: str  # the one customer that all orders are booked to; empty: one for each buyer, in customer_grouping
    customer_grouping: str  # a grouping whose numbers are given from outside
    storage_location: str


def options_of(setting: str, given: Mapping[str, str]) -> Options:
    """Raises SettingsError naming the option that is missing or unknown."""
    if bool(given.get("customer")) == bool(given.get("customer_grouping")):
        raise SettingsError(f"{setting}: set either customer or customer_grouping")
    values = filled(setting, given, _REQUIRED, _DEFAULTS)
    currencies = tuple(several(values.pop("currencies").upper()))
    return Options(currencies=currencies, **values)
