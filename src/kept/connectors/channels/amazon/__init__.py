"""Amazon's marketplaces, by its Selling Partner API: notifications and queries in; shipments, cancels and stock out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from kept.connectors.access_tokens import AccessTokens
from kept.connectors.channel_type import ChannelType
from kept.connectors.channels.amazon import access, faults
from kept.connectors.channels.amazon.cancel import AmazonCancel
from kept.connectors.channels.amazon.client import Seller
from kept.connectors.channels.amazon.codes import RATES
from kept.connectors.channels.amazon.confirm import AmazonConfirm
from kept.connectors.channels.amazon.feeds import Feeds
from kept.connectors.channels.amazon.mapping import identify, messages_of_file, normalise
from kept.connectors.channels.amazon.poll import AmazonPoll, AmazonPollV0
from kept.connectors.channels.amazon.queue import AmazonQueue
from kept.connectors.channels.amazon.stock import AmazonStock
from kept.connectors.http import HttpTarget, HttpTargets
from kept.connectors.secrets import required, token
from kept.connectors.sqs import SqsQueue
from kept.connectors.traffic import Rates
from kept.ports import Channel, Incoming, NotAuthentic, PollOrders
from kept.settings import ChannelSettings, SettingsError

_POLLS: dict[str, Callable[[Seller], PollOrders]] = {"": AmazonPoll, "2026-01-01": AmazonPoll, "v0": AmazonPollV0}
_RATES = Rates(RATES, read_level=faults.read_level)


def build(name: str, settings: ChannelSettings, targets: HttpTargets) -> Channel:
    """The seller `name` of kept.toml. Raises SettingsError for what is missing."""
    setting = f"channels.{name}"
    if not settings.marketplaces:
        raise SettingsError(f"{setting}.marketplaces is not set: name Amazon's ids of those that the account sells in")
    base_url = required(f"{setting}.base_url", settings.base_url)
    seller = Seller(
        _api(name, settings, targets, base_url),
        required(f"{setting}.seller_id", settings.seller_id),
        settings.marketplaces,
    )
    uploads = targets.open(
        f"channel:{name}:uploads",
        "",  # each document has an address of its own, given with its permission in it
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers={},
        read_refusal=faults.read_upload_refusal,
    )
    return Channel(
        account=name,
        verify=_no_webhooks,
        identify=identify,
        normalise=normalise,
        confirm=AmazonConfirm(seller),
        poll=_poll(setting, settings.api, seller),
        notifications=_queue(setting, settings, seller),
        cancel=AmazonCancel(seller, Feeds(seller, uploads, frozenset({"https", urlsplit(base_url).scheme}))),
        push_stock=AmazonStock(seller),
    )


def _api(name: str, settings: ChannelSettings, targets: HttpTargets, base_url: str) -> HttpTarget:
    """The API with its tokens. These are fetched over targets of their own: a call that waits for a token holds a
    place already.
    """
    setting = f"channels.{name}"
    host, path = access.split_url(settings.token_url or access.TOKEN_URL)
    headers = {"user-agent": access.USER_AGENT}
    login = targets.open(
        f"channel:{name}:login",
        host,
        timeout_s=settings.timeout_s,
        requests_at_once=1,
        headers=headers,
        read_refusal=faults.read_token_refusal,
    )
    tokens = AccessTokens(
        access.access_fetch(
            login,
            path,
            required(f"{setting}.client_id", settings.client_id),
            token(f"{setting}.client_secret", settings.client_secret),
            token(f"{setting}.token", settings.token),
        )
    )
    permits = targets.open(
        f"channel:{name}:tokens",
        base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=1,
        headers=headers,
        read_refusal=faults.read_refusal,
        authorise=access.AmazonAuthorise(tokens),
        rates=_RATES.times(settings.rate_factor),
    )
    return targets.open(
        f"channel:{name}",
        base_url,
        timeout_s=settings.timeout_s,
        requests_at_once=settings.requests_at_once,
        headers=headers,
        read_refusal=faults.read_refusal,
        authorise=access.AmazonAuthorise(tokens, AccessTokens(access.restricted_fetch(permits))),
        rates=_RATES.times(settings.rate_factor),
    )


def _poll(setting: str, api: str, seller: Seller) -> PollOrders:
    if api not in _POLLS:
        raise SettingsError(f"{setting}.api is {api!r}; known are {', '.join(name for name in _POLLS if name)}")
    return _POLLS[api](seller)


def _queue(setting: str, settings: ChannelSettings, seller: Seller) -> AmazonQueue | None:
    if not settings.queue_url:
        return None
    secret = token(f"{setting}.queue_secret", settings.queue_secret) if settings.queue_key_id else None
    return AmazonQueue(
        SqsQueue(f"{seller.target.name}:queue", settings.queue_url, settings.queue_key_id, secret), seller
    )


def _no_webhooks(message: Incoming, now: datetime) -> None:
    """Amazon calls nobody: its notifications are fetched from a queue. Raises NotAuthentic for whatever comes."""
    raise NotAuthentic("Amazon sends no webhooks; set queue_url")


TYPE = ChannelType(build, normalise, messages_of_file)
