"""How many pieces of each SKU a channel may sell. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kept.domain.skus import SkuMap

PIECES_MAX = 1_000_000_000  # the least of the vendors' own limits (Shopify's)


@dataclass(frozen=True, slots=True)
class OfferPolicy:
    """What is kept back from a channel: `buffer` pieces of each SKU, after `percent` of what there is was taken.

    With `mapped_only` a channel sells only what its SKU map names; otherwise also every SKU of ours under its own
    name.
    """

    buffer: int = 0
    percent: int = 100
    mapped_only: bool = False


def offers(free: Mapping[str, int], skus: SkuMap, policy: OfferPolicy) -> dict[str, int]:
    """Pieces by the channel's SKU. `free` is what may still be promised of our SKUs, over all centres.

    A kit can be sold as often as its scarcest component allows. Channels that share a component may sell it twice
    between two pushes; that is what the buffer is for, and routing never promises it twice.
    """
    found = {} if policy.mapped_only else {sku: _offered(pieces, policy) for sku, pieces in free.items()}
    for channel_sku, components in skus.items():
        sets = min(free.get(component.sku, 0) // component.quantity for component in components)
        found[channel_sku] = _offered(sets, policy)
    return found


def _offered(pieces: int, policy: OfferPolicy) -> int:
    return min(max(0, pieces * policy.percent // 100 - policy.buffer), PIECES_MAX)
