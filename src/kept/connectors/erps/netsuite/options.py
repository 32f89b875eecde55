"""What only this type of ERP is told in kept.toml: `[erps.<name>.options]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kept.connectors.options import by_currency, filled
from kept.settings import SettingsError

_REQUIRED = (
    "client_id",
    "certificate_id",
    "currencies",
    "location",
    "shipping_item",
    "discount_item",
    "tax_item",
    "line_field",
)
_DEFAULTS = {"algorithm": "PS256", "subsidiary": "", "customer": "", "unit": ""}
# Source: Oracle NetSuite help, "The Request Token Structure", alg.
_ALGORITHMS = ("PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_FIELD = re.compile(r"custcol[a-z0-9_]{1,40}")


@dataclass(frozen=True, slots=True)
class Options:
    """Internal ids, where no other thing is said."""

    client_id: str  # of the integration record
    certificate_id: str  # of the certificate whose private key is the token
    currencies: Mapping[str, str]  # code -> id
    location: str  # that orders are fulfilled from
    shipping_item: str  # SKUs of items without a tax of their own: what shipping,
    discount_item: str  # discounts
    tax_item: str  # and taxes are lines of
    line_field: str  # script id of the column field that names a line
    algorithm: str
    subsidiary: str  # that new customers belong to; empty without OneWorld
    customer: str  # the one customer that all orders are booked to; empty: one for each buyer
    unit: str  # the unit of sale that means one piece; empty where units of measure are not used

    @property
    def own_items(self) -> tuple[str, str, str]:
        return self.shipping_item, self.discount_item, self.tax_item


def options_of(setting: str, given: Mapping[str, str]) -> Options:
    """Raises SettingsError naming the option that is missing, unknown or wrong."""
    values = filled(setting, given, _REQUIRED, _DEFAULTS)
    if values["algorithm"] not in _ALGORITHMS:
        raise SettingsError(f"{setting}.algorithm is {values['algorithm']!r}; it is one of {', '.join(_ALGORITHMS)}")
    if not _FIELD.fullmatch(values["line_field"]):
        raise SettingsError(f"{setting}.line_field is {values['line_field']!r}; a column field's id is custcol...")
    for name in ("location", "subsidiary", "customer", "unit"):
        if values[name]:
            _id(f"{setting}.{name}", values[name])
    currencies = by_currency(f"{setting}.currencies", values.pop("currencies"))
    for number in currencies.values():
        _id(f"{setting}.currencies", number)
    return Options(currencies=currencies, **values)


def _id(setting: str, text: str) -> None:
    if not (text.isascii() and text.isdigit()):
        raise SettingsError(f"{setting}: {text!r} is not an internal id of NetSuite's")
