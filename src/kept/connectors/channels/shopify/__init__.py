"""Shopify: order webhooks and a query in; fulfilments out. API version 2026-10."""

from __future__ import annotations

from kept.connectors.channel_type import ChannelType
from kept.connectors.channels.shopify.client import ShopifyConfirm
from kept.connectors.channels.shopify.mapping import identify, messages_of_file, normalise
from kept.connectors.channels.shopify.poll import ShopifyPoll
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import required, token, webhook_secrets
from kept.connectors.signatures import ShopifyVerify
from kept.ports import Channel
from kept.settings import ChannelSettings


def build(name: str, settings: ChannelSettings, targets: HttpTargets) -> Channel:
    """The shop `name` of kept.toml. Raises SettingsError for a missing address or secret."""
    target = targets.open(
        f"channel:{name}",
        required(f"channels.{name}.base_url", settings.base_url),
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers={"x-shopify-access-token": token(f"channels.{name}.token", settings.token).reveal()},
    )
    return Channel(
        account=name,
        verify=ShopifyVerify(webhook_secrets(f"channels.{name}.webhook_secrets", settings.webhook_secrets)),
        identify=identify,
        normalise=normalise,
        confirm=ShopifyConfirm(target),
        poll=ShopifyPoll(target),
    )


TYPE = ChannelType(build, normalise, messages_of_file)
