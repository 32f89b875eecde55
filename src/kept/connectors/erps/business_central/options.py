"""What only this type of ERP is told in kept.toml: `[erps.<name>.options]`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from kept.connectors.erp_amounts import TaxCodes, tax_codes_of
from kept.connectors.options import only
from kept.settings import SettingsError

_REQUIRED = ("company", "client_id", "currency", "unit", "shipping_account")
_KNOWN = {*_REQUIRED, "tenant", "token_url", "tax_account", "no_tax_code", "tax_codes", "location", "customer"}
_LOGIN = "https://login.microsoftonline.com"


@dataclass(frozen=True, slots=True)
class Options:
    """Codes are in capitals, as fields of type Code keep them.

    `tax_codes` are percent -> tax code; or else all lines have `no_tax_code`, and the tax is lines on an account.
    """

    company: str  # the company's id, a GUID
    client_id: str
    token_url: str
    currency: str  # the company's own: it need not be in its table of currencies
    unit: str  # the unit of measure that means one piece
    shipping_account: str  # number of the G/L account that shipping is booked to
    tax_account: str = ""
    no_tax_code: str = ""
    tax_codes: TaxCodes = ()
    location: str = ""  # code of the location that lines are booked from; empty: as Business Central chooses
    customer: str = ""  # number of the one customer that all orders are booked to; empty: one for each buyer


def options_of(setting: str, given: Mapping[str, str]) -> Options:
    """Raises SettingsError naming the option that is missing, unknown or wrong."""
    only(setting, given, _REQUIRED, _KNOWN)
    try:
        company = str(uuid.UUID(given["company"]))
    except ValueError as error:
        raise SettingsError(
            f"{setting}.company is {given['company']!r}: it must be the company's id, a GUID"
        ) from error
    if bool(given.get("tax_account")) == bool(given.get("tax_codes")):
        raise SettingsError(f"{setting}: set either tax_codes or tax_account (with no_tax_code)")
    if given.get("tax_account") and not given.get("no_tax_code"):
        raise SettingsError(
            f"{setting}.no_tax_code is not set: it is the code of goods that tax_account bears the tax of"
        )
    return Options(
        company=company,
        client_id=given["client_id"],
        token_url=_token_url(setting, given),
        currency=given["currency"].upper(),
        unit=given["unit"].upper(),
        shipping_account=given["shipping_account"].upper(),
        tax_account=given.get("tax_account", "").upper(),
        no_tax_code=given.get("no_tax_code", "").upper(),
        tax_codes=_in_capitals(tax_codes_of(f"{setting}.tax_codes", given.get("tax_codes", ""))),
        location=given.get("location", "").upper(),
        customer=given.get("customer", "").upper(),
    )


def _token_url(setting: str, given: Mapping[str, str]) -> str:
    if given.get("token_url"):
        return given["token_url"]
    if not given.get("tenant"):
        raise SettingsError(f"{setting}.tenant is not set: the Entra tenant's id or domain")
    return f"{_LOGIN}/{given['tenant']}/oauth2/v2.0/token"


def _in_capitals(codes: TaxCodes) -> TaxCodes:
    return tuple((percent, code.upper()) for percent, code in codes)
