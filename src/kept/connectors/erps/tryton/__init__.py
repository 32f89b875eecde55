"""Tryton 8.2, by its JSON-RPC: sales of a web shop, their shipments, and their withdrawal (docs/guides/tryton.md)."""

from __future__ import annotations

from kept.connectors.erps.tryton.access import session_header
from kept.connectors.erps.tryton.checking import TrytonCheck
from kept.connectors.erps.tryton.client import TrytonSales
from kept.connectors.erps.tryton.fulfilment import TrytonFulfilment
from kept.connectors.erps.tryton.lookups import Lookups
from kept.connectors.erps.tryton.reading import TrytonOrders, TrytonWarehouses
from kept.connectors.erps.tryton.rpc import Rpc
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import required, token
from kept.ports import Erp
from kept.settings import ErpSettings

# Tryton says of every answer above 1,400 bytes that it is gzip, also where it is not because we did not accept it
# (8.2.1, protocols/jsonrpc.py). So we accept it, and it is.
_HEADERS = {"accept-encoding": "gzip"}


def build(name: str, settings: ErpSettings, targets: HttpTargets) -> Erp:
    """The ERP `name` of kept.toml; its `base_url` ends with the database's name. Raises SettingsError."""
    setting = f"erps.{name}"
    base_url = required(f"{setting}.base_url", settings.base_url)
    # Sessions have a target of their own: a call that waits for one holds a place already.
    office = targets.open(
        f"erp:{name}:session", base_url, timeout_s=settings.timeout_s, requests_at_once=1, headers=_HEADERS
    )
    user = required(f"{setting}.user", settings.user)
    target = targets.open(
        f"erp:{name}",
        base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers=_HEADERS,
        authorise=session_header(office, user, token(f"{setting}.token", settings.token)),
    )
    rpc = Rpc(target)
    shop = required(f"{setting}.shop", settings.shop)
    lookups = Lookups(rpc, shop, settings.shipping_sku, settings.tax_sku)
    sales = TrytonSales(rpc, lookups)
    fulfilment = TrytonFulfilment(rpc, sales)
    return Erp(
        name=name,
        items=sales,
        customers=sales,
        booking=sales,
        shipments=fulfilment,
        withdrawal=fulfilment,
        check=TrytonCheck(lookups),
        warehouses=TrytonWarehouses(rpc),
        orders=TrytonOrders(rpc, lookups),
    )
