"""An ERP that speaks our open REST contract (`docs/contracts/erp.openapi.yaml`)."""

from __future__ import annotations

from kept.connectors.erps.rest.client import RestErp
from kept.connectors.erps.rest.offered import OFFERS, RestErpOffers
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import bearer, required
from kept.ports import Erp
from kept.settings import ErpSettings, SettingsError


def build(name: str, settings: ErpSettings, targets: HttpTargets) -> Erp:
    """The ERP `name` of kept.toml. Raises SettingsError for a missing address or token."""
    target = targets.open(
        f"erp:{name}",
        required(f"erps.{name}.base_url", settings.base_url),
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers=bearer(f"erps.{name}.token", settings.token),
    )
    erp = RestErp(target)
    unknown = sorted(set(settings.offers) - set(OFFERS))
    if unknown:
        raise SettingsError(f"erps.{name}.offers has {unknown[0]!r}; an ERP can offer {', '.join(OFFERS)}")
    more = RestErpOffers(target)

    def offered(what: str) -> RestErpOffers | None:
        return more if what in settings.offers else None

    return Erp(
        name=name,
        items=erp,
        customers=erp,
        booking=erp,
        shipments=erp,
        withdrawal=erp,
        amendment=erp if settings.amends else None,
        check=offered("check"),
        credit=offered("credit"),
        warehouses=offered("stock"),
        invoices=offered("invoices"),
        orders=offered("orders"),
    )
