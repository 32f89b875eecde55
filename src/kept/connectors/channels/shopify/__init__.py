"""Shopify: order webhooks and a query in; fulfilments, cancels and stock out. API version 2026-10."""

from __future__ import annotations

from kept.connectors.channel_type import ChannelType
from kept.connectors.channels.shopify.access import TOKEN_HEADER, daily_tokens
from kept.connectors.channels.shopify.cancel import ShopifyCancel
from kept.connectors.channels.shopify.client import ShopifyConfirm
from kept.connectors.channels.shopify.fetch import ShopifyFetch
from kept.connectors.channels.shopify.graphql import read_refusal
from kept.connectors.channels.shopify.mapping import identify, messages_of_file, normalise
from kept.connectors.channels.shopify.poll import ShopifyPoll
from kept.connectors.channels.shopify.rates import RATES
from kept.connectors.channels.shopify.stock import ShopifyStock
from kept.connectors.channels.shopify.subscriptions import ShopifySubscriptions
from kept.connectors.http import HttpTargets
from kept.connectors.secrets import required, token, webhook_secrets
from kept.connectors.signatures import ShopifyVerify
from kept.ports import Channel
from kept.settings import ChannelSettings


def build(name: str, settings: ChannelSettings, targets: HttpTargets) -> Channel:
    """The shop `name` of kept.toml, with a `token` or with `client_id` and `client_secret` to fetch one.

    Raises SettingsError for a missing address or secret.
    """
    base_url = required(f"channels.{name}.base_url", settings.base_url)
    authorise, headers = None, dict[str, str]()
    if settings.client_id:
        office = targets.open(
            f"channel:{name}:token", base_url, timeout_s=settings.timeout_s, requests_at_once=1, headers={}
        )
        secret = token(f"channels.{name}.client_secret", settings.client_secret)
        authorise = daily_tokens(office, settings.client_id, secret)
    else:
        headers = {TOKEN_HEADER: token(f"channels.{name}.token", settings.token).reveal()}
    target = targets.open(
        f"channel:{name}",
        base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers=headers,
        authorise=authorise,
        read_refusal=read_refusal,
        rates=RATES.times(settings.rate_factor),
    )
    cancel = ShopifyCancel(target)
    return Channel(
        account=name,
        verify=ShopifyVerify(webhook_secrets(f"channels.{name}.webhook_secrets", settings.webhook_secrets)),
        identify=identify,
        normalise=normalise,
        confirm=ShopifyConfirm(target),
        poll=ShopifyPoll(target),
        fetch=ShopifyFetch(target),
        cancel=cancel,
        cancel_jobs=cancel,
        push_stock=ShopifyStock(target, settings.location),
        subscriptions=ShopifySubscriptions(target),
    )


TYPE = ChannelType(build, normalise, messages_of_file)
