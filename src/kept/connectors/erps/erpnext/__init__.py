"""ERPNext, by the REST API of Frappe (docs/guides/erpnext.md)."""

from __future__ import annotations

from kept.connectors.erps.erpnext import codes
from kept.connectors.erps.erpnext.booking import NextBooking
from kept.connectors.erps.erpnext.masters import NextMasters
from kept.connectors.erps.erpnext.options import options_of
from kept.connectors.erps.erpnext.reading import NextOrders, NextWarehouses
from kept.connectors.erps.erpnext.shipping import NextShipments
from kept.connectors.erps.erpnext.site import Site
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import required, token
from kept.ports import Erp
from kept.settings import ErpSettings


def build(name: str, settings: ErpSettings, targets: HttpTargets) -> Erp:
    """The ERP `name` of kept.toml. Raises SettingsError for what is missing or not known."""
    setting = f"erps.{name}"
    options = options_of(f"{setting}.options", settings.options)
    secret = token(f"{setting}.token", settings.token).reveal()
    target = targets.open(
        f"erp:{name}",
        required(f"{setting}.base_url", settings.base_url),
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        # Frappe, "Token based authentication": the API key and secret of a user, with a colon between.
        headers={"authorization": f"token {options.api_key}:{secret}"},
        read_refusal=codes.read_refusal,
    )
    site = Site(target, options)
    masters, booking = NextMasters(site), NextBooking(site)
    return Erp(
        name=name,
        items=masters,
        customers=masters,
        booking=booking,
        shipments=NextShipments(site),
        withdrawal=booking,  # no amendment: a submitted order's charges can't be changed
        check=masters,
        credit=masters,
        warehouses=NextWarehouses(site),
        orders=NextOrders(site),
    )
