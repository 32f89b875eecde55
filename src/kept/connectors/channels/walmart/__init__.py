"""Walmart Marketplace, by its API of version 3: orders by polling and notifications in; acknowledgements, shipments,
cancels and stock out.
"""

from __future__ import annotations

from kept.connectors.access_tokens import AccessTokens
from kept.connectors.channel_type import ChannelType
from kept.connectors.channels.walmart import access
from kept.connectors.channels.walmart.acknowledge import WalmartAcknowledge
from kept.connectors.channels.walmart.cancel import WalmartCancel
from kept.connectors.channels.walmart.client import Seller
from kept.connectors.channels.walmart.confirm import WalmartConfirm
from kept.connectors.channels.walmart.fetch import WalmartFetch
from kept.connectors.channels.walmart.mapping import identify, messages_of_file, normalise
from kept.connectors.channels.walmart.poll import WalmartPoll
from kept.connectors.channels.walmart.rates import RATES
from kept.connectors.channels.walmart.stock import WalmartStock
from kept.connectors.channels.walmart.verify import verifier
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import required, token, tokens
from kept.connectors.signatures import NoSignature
from kept.ports import Channel
from kept.settings import ChannelSettings

BASE_URL = "https://marketplace.walmartapis.com"


def build(name: str, settings: ChannelSettings, targets: HttpTargets) -> Channel:
    """The seller `name` of kept.toml. Raises SettingsError for a missing id or secret.

    Without webhook secrets no notification gets in, and the orders come by polling alone.
    """
    setting = f"channels.{name}"
    base_url = settings.base_url or BASE_URL
    # Tokens have a target of their own: a call that waits for one holds a place already.
    office = targets.open(
        f"channel:{name}:token",
        settings.token_url or base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=1,
        headers={},
        read_refusal=access.read_refusal,
    )
    client_id = required(f"{setting}.client_id", settings.client_id)
    secret = token(f"{setting}.client_secret", settings.client_secret)
    target = targets.open(
        f"channel:{name}",
        base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers={},
        read_refusal=access.read_refusal,
        authorise=access.WalmartAuthorise(AccessTokens(access.token_fetch(office, client_id, secret))),
        rates=RATES.times(settings.rate_factor),
    )
    seller = Seller(target)
    secrets = tokens(f"{setting}.webhook_secrets", settings.webhook_secrets)
    return Channel(
        account=name,
        verify=(
            verifier(setting, settings.webhook_method, settings.webhook_header, secrets) if secrets else NoSignature()
        ),
        identify=identify,
        normalise=normalise,
        confirm=WalmartConfirm(seller, settings.tracking_url),
        poll=WalmartPoll(target),
        fetch=WalmartFetch(target),
        acknowledge=WalmartAcknowledge(seller),
        cancel=WalmartCancel(seller),
        push_stock=WalmartStock(target, settings.location),
    )


TYPE = ChannelType(build, normalise, messages_of_file)
