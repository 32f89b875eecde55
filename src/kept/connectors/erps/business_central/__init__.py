"""Microsoft Dynamics 365 Business Central, by its API v2.0 (docs/guides/business-central.md)."""

from __future__ import annotations

from kept.connectors import oauth
from kept.connectors.access_tokens import AccessTokens, TokenHeader
from kept.connectors.erps.business_central import access, codes
from kept.connectors.erps.business_central.amending import CentralAmendment
from kept.connectors.erps.business_central.booking import CentralBooking
from kept.connectors.erps.business_central.client import Company
from kept.connectors.erps.business_central.masters import CentralMasters
from kept.connectors.erps.business_central.options import options_of
from kept.connectors.erps.business_central.reading import CentralOrders
from kept.connectors.erps.business_central.shipping import CentralShipments
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import required, token
from kept.connectors.traffic import Rates
from kept.engine.quotas import Rate
from kept.ports import Erp
from kept.settings import ErpSettings

# Source: Microsoft Learn, "Operational Limits for Business Central Online", OData request limits: 6,000 requests of one
# user in any five minutes, 5 handled at once (95 more wait there, and the 101st is refused).
_BURST, _IN_FIVE_MINUTES = 600, 6000
RATES = Rates(account=Rate(per_s=(_IN_FIVE_MINUTES - _BURST) / 300, burst=_BURST))
AT_ONCE_MAX = 5


def build(name: str, settings: ErpSettings, targets: HttpTargets) -> Erp:
    """The ERP `name` of kept.toml. Raises SettingsError for what is missing or not known."""
    setting = f"erps.{name}"
    options = options_of(f"{setting}.options", settings.options)
    # Tokens have a target of their own: a call that waits for one holds a place already.
    office = targets.open(
        f"erp:{name}:token",
        options.token_url,
        timeout_s=settings.timeout_s,
        requests_at_once=1,
        headers={},
        read_refusal=oauth.read_refusal,
    )
    fetch = access.token_fetch(office, options.client_id, token(f"{setting}.token", settings.token))
    target = targets.open(
        f"erp:{name}",
        required(f"{setting}.base_url", settings.base_url),
        timeout_s=settings.timeout_s,
        requests_at_once=min(settings.requests_at_once, AT_ONCE_MAX),
        headers={},
        read_refusal=codes.read_refusal,
        authorise=TokenHeader(AccessTokens(fetch), "authorization", "Bearer "),
        rates=RATES,
    )
    company = Company(target, options)
    booking, masters = CentralBooking(company), CentralMasters(company)
    return Erp(
        name=name,
        items=masters,
        customers=masters,
        booking=booking,
        shipments=CentralShipments(company),
        withdrawal=booking,
        amendment=CentralAmendment(company, booking) if settings.amends else None,
        check=masters,
        credit=masters,
        orders=CentralOrders(company),
    )
