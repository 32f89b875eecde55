"""SAP S/4HANA, by its OData V2 services (docs/guides/sap-s4hana.md)."""

from __future__ import annotations

from kept.connectors.access_tokens import AccessTokens
from kept.connectors.erps.sap_s4 import codes
from kept.connectors.erps.sap_s4.access import Csrf, basic, csrf_fetch
from kept.connectors.erps.sap_s4.booking import S4Booking
from kept.connectors.erps.sap_s4.masters import S4Masters
from kept.connectors.erps.sap_s4.options import options_of
from kept.connectors.erps.sap_s4.reading import S4Orders, S4Stock
from kept.connectors.erps.sap_s4.services import Services
from kept.connectors.erps.sap_s4.shipping import S4Deliveries
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import required, token
from kept.ports import Erp
from kept.settings import ErpSettings


def build(name: str, settings: ErpSettings, targets: HttpTargets) -> Erp:
    """The ERP `name` of kept.toml. Raises SettingsError for what is missing or not known."""
    setting = f"erps.{name}"
    options = options_of(f"{setting}.options", settings.options)
    base_url = required(f"{setting}.base_url", settings.base_url)
    headers = {
        "authorization": basic(options.user, token(f"{setting}.token", settings.token)),
        "accept": "application/json",
    }
    # The token has a target of its own: a call that waits for one holds a place already.
    office = targets.open(
        f"erp:{name}:token",
        base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=1,
        headers=headers,
        read_refusal=codes.read_refusal,
    )
    target = targets.open(
        f"erp:{name}",
        base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers=headers,
        read_refusal=codes.read_refusal,
        authorise=Csrf(AccessTokens(csrf_fetch(office))),
    )
    services = Services(target, options)
    masters, booking = S4Masters(services), S4Booking(services)
    return Erp(
        name=name,
        items=masters,
        customers=masters,
        booking=booking,
        shipments=S4Deliveries(services),
        withdrawal=booking,
        check=masters,
        credit=masters,
        warehouses=S4Stock(services),
        orders=S4Orders(services),
    )
