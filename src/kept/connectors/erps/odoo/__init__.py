"""Odoo: its JSON-2 API (version 19), or JSON-RPC before that (docs/guides/odoo.md)."""

from __future__ import annotations

from kept.connectors.erps.odoo import codes
from kept.connectors.erps.odoo.amending import OdooAmendment
from kept.connectors.erps.odoo.booking import OdooBooking
from kept.connectors.erps.odoo.masters import OdooMasters
from kept.connectors.erps.odoo.options import options_of
from kept.connectors.erps.odoo.reading import OdooOrders, OdooWarehouses
from kept.connectors.erps.odoo.rpc import Json2, JsonRpc, Rpc
from kept.connectors.erps.odoo.sales import Sales
from kept.connectors.erps.odoo.shipping import OdooShipments
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import required, token
from kept.ports import Erp
from kept.settings import ErpSettings


def build(name: str, settings: ErpSettings, targets: HttpTargets) -> Erp:
    """The ERP `name` of kept.toml. Raises SettingsError for what is missing or not known."""
    setting = f"erps.{name}"
    options = options_of(f"{setting}.options", settings.options)
    key = token(f"{setting}.token", settings.token)
    target = targets.open(
        f"erp:{name}",
        required(f"{setting}.base_url", settings.base_url),
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers={"authorization": f"bearer {key.reveal()}", "x-odoo-database": options.database}
        if options.json2
        else {},
        read_refusal=codes.read_refusal,
    )
    rpc: Rpc = Json2(target) if options.json2 else JsonRpc(target, options, key)
    sales = Sales(rpc, options)
    masters = OdooMasters(sales)
    booking = OdooBooking(sales)
    orders = OdooOrders(sales)
    return Erp(
        name=name,
        items=masters,
        customers=masters,
        booking=booking,
        shipments=OdooShipments(sales),
        withdrawal=booking,
        amendment=OdooAmendment(sales) if settings.amends else None,
        check=masters,
        warehouses=OdooWarehouses(sales),
        orders=orders,
    )
