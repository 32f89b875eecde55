"""Settings: the environment (`KEPT_*`) names the servers, `kept.toml` names accounts, ERPs, centres, policy.

Secrets never stand in the file: a secret is written `env:NAME` or `file:PATH` and read when the
settings are loaded. `KEPT_CONFIG` (or `--config`) says where the file is.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import msgspec


class SettingsError(Exception):
    """A setting that is missing or wrong. The text says which one, its value and what to do."""


class Secret:
    """A secret's value. `repr` and `str` are masked; only `reveal()` gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """A channel account. Several webhook secrets may be live at once, for rotation."""

    type: str
    base_url: str = ""
    webhook_secrets: tuple[str, ...] = ()
    token: str = ""
    timeout_s: float = 10.0  # below the lease, so that an answer always comes before a reclaim
    requests_at_once: int = 16  # a bulkhead: one slow party can't take every connection
    cancel_on_request: bool = True  # grant a buyer's request to cancel the whole order while nothing has shipped
    authorisation_days: int = 7  # how long a payment stays authorised; an order whose money would be gone is held
    price_check_percent: int = 0  # orders with a price further from the ERP's list are held; 0: none are
    skus_mapped: bool = False  # every SKU needs a mapping (`kept skus import`); otherwise an unmapped one is ours
    location: str = ""  # where the channel keeps the stock that we push, by its own id; empty: its only location
    rate_factor: float = 1.0  # the vendor allows this account so many times its published rates
    push_stock_every_s: float = 0.0  # how often the channel hears what it may sell; 0: never, it counts for itself
    stock_buffer: int = 0  # pieces of each SKU that are kept back from the channel
    stock_percent: int = 100  # of what there is that the channel may sell
    poll_every_s: float = 300.0  # how often to ask for what no message brought; 0: never
    token_url: str = ""  # where access tokens are fetched, if not at the vendor's usual place
    client_id: str = ""  # of our application at the vendor, where tokens are fetched with it
    client_secret: str = ""
    seller_id: str = ""  # the vendor's id of the account, where its addresses need it
    marketplaces: tuple[str, ...] = ()  # the vendor's ids of the markets that the account sells in; empty: all
    queue_url: str = ""  # where the vendor puts its notifications, if not by webhook: an SQS queue; empty: nowhere
    queue_key_id: str = ""  # the AWS key's id for it; empty: as the AWS environment says (a role, AWS_* variables)
    queue_secret: str = ""
    api: str = ""  # which of the vendor's order APIs is polled, where there are several; empty: the newest
    webhook_method: str = "hmac"  # how the vendor's webhooks prove who sends them, where that is chosen: hmac or basic
    webhook_header: str = ""  # the header that carries the proof, where that is chosen; empty: the vendor's usual one
    tracking_url: str = ""  # tracks parcels of carriers that the vendor does not list; {tracking}: the number
    intake_tokens: tuple[str, ...] = ()  # bearer tokens with which the account may post orders; several, for rotation
    drop_folder: str = ""  # an absolute path; files of orders put there are taken by the poller; empty: none


@dataclass(frozen=True, slots=True)
class ErpSettings:
    """An ERP."""

    type: str
    base_url: str = ""
    token: str = ""
    timeout_s: float = 10.0
    requests_at_once: int = 16
    user: str = ""  # whom we sign in as, where the token is a user's password
    shop: str = ""  # the ERP's name for the shop that our orders are booked in, where it has several
    shipping_sku: str = ""  # the ERP's product that shipping is booked as, where shipping is a line
    tax_sku: str = ""  # the ERP's product for tax that its own rates don't give; empty: such an order is held
    options: Mapping[str, str] = field(default_factory=dict)  # what only this type of ERP has; its guide names them
    warehouses: Mapping[str, str] = field(default_factory=dict)  # centre -> the ERP's name of the warehouse
    offers: tuple[str, ...] = ()  # optional operations that it has: check, credit, invoices, orders, stock
    amends: bool = True  # it takes what is edited after routing; without, an edit by then is too late


@dataclass(frozen=True, slots=True)
class AddressSettings:
    """Where a centre stands."""

    name: str
    line1: str
    city: str
    postal_code: str
    country: str
    line2: str = ""
    region: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class BandSettings:
    """What a service takes within the country to addresses up to so many kilometres away."""

    up_to_km: int
    days: int
    base_minor: int
    per_kg_minor: int = 0


@dataclass(frozen=True, slots=True)
class OverrideSettings:
    """What a service takes to a country, or to its postal codes that begin so; without `days` it does not go there."""

    country: str
    postal_prefix: str = ""
    days: int | None = None
    base_minor: int = 0
    per_kg_minor: int = 0


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """A carrier service from a centre. Costs are minor units of the routing policy's currency. `domestic_days` and
    `base_minor` are of addresses beyond the last of `bands`, and of postal codes that nobody can place."""

    name: str
    domestic_days: int
    base_minor: int
    per_kg_minor: int
    international_days: int | None = None  # None: does not leave the country
    international_base_minor: int = 0
    bands: tuple[BandSettings, ...] = ()  # from near to far
    overrides: tuple[OverrideSettings, ...] = ()  # the longest prefix that fits counts, before bands
    cutoff: str = ""  # local wall time "HH:MM" of its pickup; empty: the centre's
    pickup_days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)  # on which it collects where the centre works; Monday is 0
    carrying_days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)  # that count on the way


@dataclass(frozen=True, slots=True)
class CentreSettings:
    """A fulfilment centre: how to reach it, and what it can promise."""

    type: str
    timezone: str
    cutoff: str  # local wall time "HH:MM": what is committed before it leaves the same working day
    address: AddressSettings
    services: tuple[ServiceSettings, ...]
    base_url: str = ""
    webhook_secrets: tuple[str, ...] = ()
    token: str = ""
    timeout_s: float = 10.0
    requests_at_once: int = 16
    handling_days: int = 0
    working_days: tuple[int, ...] = (0, 1, 2, 3, 4)  # Monday is 0
    holidays: str = ""  # whose public holidays it keeps: a country, "DE", or a part of one, "US-NJ"; empty: none
    closed: tuple[date, ...] = ()  # days of its own on which it does not work: 2026-12-24
    open: tuple[date, ...] = ()  # public holidays on which it works all the same
    capacity_pieces: int = 0  # that leave it on a day; 0: as many as come
    order_minor: int = 0  # what handling an order's part costs there
    piece_minor: int = 0  # and each of its pieces


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """Who may ship what where. It applies to SKUs like one of `skus` (shell patterns) in orders of `accounts` to
    `countries`; what is empty asks for nothing. Hazardous goods that one centre may send by one service, a market
    that one centre serves."""

    name: str
    skus: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    only_centres: tuple[str, ...] = ()
    not_centres: tuple[str, ...] = ()
    only_services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """The routing policy. Its name is stored with each decision."""

    name: str = "default"
    currency: str = "USD"
    parts_max: int = 3  # more than three parcels for one order costs more goodwill than it saves days
    split_minor: int = 200  # what each parcel but the first costs besides its own charge: goodwill, another door bell
    late_day_minor: int = 500  # what each day costs by which a parcel comes after the promise
    scarcity_cap_minor: int = 200  # the most that the last pieces of a SKU at a centre are worth to later orders
    scarcity_cover_percent: int = 75  # how much of all centres' stock is expected to be sold before more comes
    rules: tuple[RuleSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """GS1 numbering of our cartons."""

    company_prefix: str = "0614141"  # GS1's documentation prefix; a real installation sets its own
    extension: int = 0


@dataclass(frozen=True, slots=True)
class EventSettings:
    """Events out to in-house systems. A subscription's address comes from whoever may use the API."""

    # Networks besides the public internet that events may be sent to, "10.20.0.0/16"; plain http only to these.
    allowed_networks: tuple[str, ...] = ()
    timeout_s: float = 10.0  # Standard Webhooks: endpoints answer at once and work later
    requests_at_once: int = 8  # to one endpoint


@dataclass(frozen=True, slots=True)
class Business:
    """What `kept.toml` says."""

    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    erps: Mapping[str, ErpSettings] = field(default_factory=dict)
    centres: Mapping[str, CentreSettings] = field(default_factory=dict)
    routing: RoutingSettings = RoutingSettings()
    labels: LabelSettings = LabelSettings()
    events: EventSettings = EventSettings()
    public_url: str = ""  # where channels reach us, for subscriptions; empty: nobody subscribes for us


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a process of Kept needs to know when it starts."""

    database_url: str  # empty: the embedded PostgreSQL
    redis_url: str  # empty: the embedded Redis
    home: Path  # embedded servers, archive, demo world
    host: str
    port: int
    workers: int
    api_key: Secret  # for the status and dead-letter API; empty: loopback only
    body_bytes_max: int
    business: Business


def resolve_secret(reference: str) -> Secret:
    """The secret behind `env:NAME` or `file:PATH`; SettingsError if it is neither or not there."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name)
        if value is None:
            raise SettingsError(f"secret {reference!r}: the environment has no {name}; set it")
        return Secret(value)
    if kind == "file":
        try:
            return Secret(Path(name).read_text(encoding="utf-8").strip())
        except OSError as error:
            raise SettingsError(f"secret {reference!r} can't be read: {error.strerror}") from error
    raise SettingsError("a secret must be written env:NAME or file:PATH, never as the value itself")


def load_business(path: Path) -> Business:
    """Read `kept.toml`. Unknown keys and wrong types are errors that name the key."""
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    try:
        business = msgspec.convert(raw, Business)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}") from error
    doubled = set(business.channels) & set(business.centres)
    if doubled:
        raise SettingsError(f"{path}: {sorted(doubled)} name a channel and a centre; webhooks need one meaning")
    return business


def load(config: Path | None = None) -> Settings:
    """Settings from the environment and the configuration file that it (or `config`) names."""
    env = os.environ
    path = config or (Path(env["KEPT_CONFIG"]) if env.get("KEPT_CONFIG") else None)
    return Settings(
        database_url=env.get("KEPT_DATABASE_URL", ""),
        redis_url=env.get("KEPT_REDIS_URL", ""),
        home=Path(env.get("KEPT_HOME", ".kept")).absolute(),
        host=env.get("KEPT_HOST", "127.0.0.1"),
        port=_integer("KEPT_PORT", 8080),
        workers=_integer("KEPT_WORKERS", 2),
        api_key=Secret(env.get("KEPT_API_KEY", "")),
        body_bytes_max=_integer("KEPT_BODY_BYTES_MAX", 1_048_576),  # the largest real order seen is 60 kB
        business=load_business(path) if path else Business(),
    )


def _integer(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    try:
        return int(text)
    except ValueError as error:
        raise SettingsError(f"{name}={text!r} is not a whole number") from error
