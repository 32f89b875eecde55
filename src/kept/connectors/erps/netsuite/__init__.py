"""Oracle NetSuite, by SuiteTalk REST Web Services (docs/guides/netsuite.md)."""

from __future__ import annotations

from kept.connectors import oauth
from kept.connectors.access_tokens import AccessTokens, TokenHeader
from kept.connectors.erps.netsuite import access, codes
from kept.connectors.erps.netsuite.amending import SuiteAmendment
from kept.connectors.erps.netsuite.booking import SuiteBooking
from kept.connectors.erps.netsuite.masters import SuiteMasters
from kept.connectors.erps.netsuite.options import options_of
from kept.connectors.erps.netsuite.reading import SuiteLocations, SuiteOrders
from kept.connectors.erps.netsuite.records import Records
from kept.connectors.erps.netsuite.shipping import SuiteShipments
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import required, token
from kept.ports import Erp
from kept.settings import ErpSettings

# Source: Oracle NetSuite help, "Concurrency Governance Limits Based on Service Tiers": an account of the smallest tier
# has 5 requests at once, all integrations together. What is above is a 429.
AT_ONCE_MAX = 5


def build(name: str, settings: ErpSettings, targets: HttpTargets) -> Erp:
    """The ERP `name` of kept.toml. Raises SettingsError for what is missing or not known."""
    setting = f"erps.{name}"
    options = options_of(f"{setting}.options", settings.options)
    base_url = required(f"{setting}.base_url", settings.base_url)
    key = token(f"{setting}.token", settings.token)
    assertion = access.Assertion(f"{setting}.token", f"{base_url.rstrip('/')}{access.PATH}", options, key)
    # Tokens have a target of their own: a call that waits for one holds a place already.
    office = targets.open(
        f"erp:{name}:token",
        base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=1,
        headers={},
        read_refusal=oauth.read_refusal,
    )
    target = targets.open(
        f"erp:{name}",
        base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=min(settings.requests_at_once, AT_ONCE_MAX),
        headers={},
        read_refusal=codes.read_refusal,
        authorise=TokenHeader(AccessTokens(access.token_fetch(office, assertion)), "authorization", "Bearer "),
    )
    records = Records(target, options)
    masters, booking = SuiteMasters(records), SuiteBooking(records)
    return Erp(
        name=name,
        items=masters,
        customers=masters,
        booking=booking,
        shipments=SuiteShipments(records),
        withdrawal=booking,
        amendment=SuiteAmendment(records) if settings.amends else None,
        check=masters,
        credit=masters,
        warehouses=SuiteLocations(records),
        orders=SuiteOrders(records),
    )
