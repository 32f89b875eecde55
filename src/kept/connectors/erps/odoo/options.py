"""What only this type of ERP is told in kept.toml: `[erps.<name>.options]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kept.connectors.erp_amounts import TaxCodes, tax_codes_of
from kept.connectors.options import by_currency, only
from kept.settings import SettingsError

_REQUIRED = ("database", "pricelists", "shipping_sku", "discount_sku")
_KNOWN = {*_REQUIRED, "version", "api", "login", "tax_sku", "taxes", "taxes_included", "unit", "customer"}
_OLDEST, _JSON2 = 17, 19


@dataclass(frozen=True, slots=True)
class Options:
    """Tax is a line of its own with the product `tax_sku`; or it is Odoo's own, by `taxes` (percent -> id of the tax),
    and by `taxes_included` for orders whose prices contain it."""

    database: str
    pricelists: Mapping[str, int]  # currency -> id of the pricelist that gives an order this currency
    shipping_sku: str
    discount_sku: str
    version: int = _JSON2
    json2: bool = True  # else JSON-RPC
    login: str = ""  # of JSON-RPC: the user whose key it is
    tax_sku: str = ""
    taxes: TaxCodes = ()
    taxes_included: TaxCodes = ()
    unit: str = "Units"  # name of the unit of measure that means one piece
    customer: int = 0  # id of the one customer that all orders are booked to; 0: one for each buyer

    def taxes_of(self, *, included: bool) -> TaxCodes:
        return self.taxes_included if included else self.taxes


def options_of(setting: str, given: Mapping[str, str]) -> Options:
    """Raises SettingsError naming the option that is missing, unknown or wrong."""
    only(setting, given, _REQUIRED, _KNOWN)
    version = _number(f"{setting}.version", given.get("version", str(_JSON2)))
    if version < _OLDEST:
        raise SettingsError(f"{setting}.version is {version}; {_OLDEST} is the oldest that is spoken")
    api = given.get("api", "json-2" if version >= _JSON2 else "json-rpc")
    if api not in ("json-2", "json-rpc") or (api == "json-2" and version < _JSON2):
        raise SettingsError(f"{setting}.api is {api!r}; it is json-2 (from version {_JSON2} on) or json-rpc")
    if api == "json-rpc" and not given.get("login"):
        raise SettingsError(f"{setting}.login is not set: by JSON-RPC a key is a user's password")
    if bool(given.get("tax_sku")) == bool(given.get("taxes") or given.get("taxes_included")):
        raise SettingsError(f"{setting}: set either tax_sku, or taxes (and taxes_included)")
    return Options(
        database=given["database"],
        pricelists=_numbers(f"{setting}.pricelists", by_currency(f"{setting}.pricelists", given["pricelists"])),
        shipping_sku=given["shipping_sku"],
        discount_sku=given["discount_sku"],
        version=version,
        json2=api == "json-2",
        login=given.get("login", ""),
        tax_sku=given.get("tax_sku", ""),
        taxes=_taxes(f"{setting}.taxes", given.get("taxes", "")),
        taxes_included=_taxes(f"{setting}.taxes_included", given.get("taxes_included", "")),
        unit=given.get("unit", "Units"),
        customer=_number(f"{setting}.customer", given.get("customer", "0")),
    )


def _numbers(setting: str, texts: Mapping[str, str]) -> dict[str, int]:
    return {name: _number(setting, text) for name, text in texts.items()}


def _taxes(setting: str, text: str) -> TaxCodes:
    codes = tax_codes_of(setting, text)
    for _, tax in codes:
        _number(setting, tax)
    return codes


def _number(setting: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise SettingsError(f"{setting}: {text!r} is not a number of Odoo's")
    return int(text)
