"""What only this type of ERP is told in kept.toml: `[erps.<name>.options]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kept.connectors.options import filled, several

_REQUIRED = (
    "api_key",
    "company",
    "currencies",
    "shipping_account",
    "tax_account",
    "discount_account",
    "warehouse",
)
_DEFAULTS = {"unit": "Nos", "customer": "", "customer_group": "Individual", "territory": "All Territories"}


@dataclass(frozen=True, slots=True)
class Options:
    """Accounts and warehouse are full names of ERPNext, with the company's abbreviation at their end."""

    api_key: str
    company: str
    currencies: tuple[str, ...]  # that the company sells in
    shipping_account: str
    tax_account: str
    discount_account: str
    warehouse: str  # that goods are ordered from
    unit: str  # the unit of measure that means one piece
    customer: str  # name of the one customer that all orders are booked to; empty: one for each buyer
    customer_group: str
    territory: str


def options_of(setting: str, given: Mapping[str, str]) -> Options:
    """Raises SettingsError naming the option that is missing or unknown."""
    values = filled(setting, given, _REQUIRED, _DEFAULTS)
    currencies = tuple(several(values.pop("currencies").upper()))
    return Options(currencies=currencies, **values)
