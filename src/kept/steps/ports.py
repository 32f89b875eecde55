"""Everything that steps may ask of the world, in one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from kept.domain.order import Address
from kept.domain.progress import Order
from kept.domain.routing import RoutingPolicy
from kept.domain.skus import SkuMap
from kept.engine.interfaces import EffectStanding
from kept.ports import Centre, Channel, Effects, Erp, ItemCheck


class ReadOrders(Protocol):
    """Finds orders, many at once; what is not there is left out."""

    async def by_external(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Order]: ...

    async def by_references(self, references: Sequence[str]) -> dict[str, Order]: ...


class ReadAvailability(Protocol):
    """What centres may still promise."""

    async def available(self, skus: Iterable[str]) -> dict[tuple[str, str], int]:
        """Pieces, by (centre, sku)."""
        ...

    async def paused(self) -> dict[str, str]:
        """Centres that nothing is planned at for now, and why."""
        ...

    async def booked(self, policy: RoutingPolicy, now: datetime) -> dict[tuple[str, date], int]:
        """Pieces that leave the centres of limited capacity, by (centre, day there), from today on."""
        ...


class TakeIds(Protocol):
    """Numbers that nobody else has."""

    async def take(self, count: int) -> list[int]: ...


class ReadItems(Protocol):
    """What the ERP says of SKUs."""

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]: ...

    async def known_lately(self, skus: Sequence[str]) -> bool:
        """Whether each of them was known and saleable when the ERP was last asked, not too long ago."""
        ...


class ReadSkus(Protocol):
    """What channels' SKUs are in ours."""

    async def components(self, asked: Iterable[tuple[str, str]]) -> Mapping[str, SkuMap]:
        """Mappings by account, for these (account, the channel's SKU)."""
        ...


class ReadEffects(Protocol):
    """Where an effect stands, whoever's it is."""

    async def standing(self, key: str) -> EffectStanding | None: ...


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What a channel account's orders are held to."""

    authorisation_days: int = 7  # how long the account's payments stay authorised
    price_check_percent: int = 0  # how far a price may be from the ERP's list; 0: as far as it likes


_NO_RULES = AccountRules()


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """GS1 numbering of our cartons."""

    company_prefix: str
    extension: int


@dataclass(frozen=True, slots=True)
class Ports:
    """What a step may use. `effects` belongs to the delivery being worked on, None for batch steps."""

    clock: Callable[[], datetime]
    channels: Mapping[str, Channel]
    centres: Mapping[str, Centre]
    centre_addresses: Mapping[str, Address]
    erp: Erp
    items: ReadItems
    skus: ReadSkus
    mapped_accounts: frozenset[str]  # accounts whose every SKU needs a mapping
    cancel_on_request: frozenset[str]  # accounts whose buyers' requests to cancel are granted while it can be done
    orders: ReadOrders
    availability: ReadAvailability
    effect_standings: ReadEffects
    order_ids: TakeIds
    serials: TakeIds
    installation: str
    routing: RoutingPolicy
    labels: LabelPolicy
    account_rules: Mapping[str, AccountRules] = field(default_factory=dict)
    effects: Effects | None = None

    def rules_of(self, account: str) -> AccountRules:
        """The account's rules, or those of an account that nobody gave any."""
        return self.account_rules.get(account, _NO_RULES)

    @property
    def own_effects(self) -> Effects:
        """The delivery's effects; a batch step has none, and asking for them is a bug."""
        assert self.effects is not None, "only a step written with each() performs effects"
        return self.effects
