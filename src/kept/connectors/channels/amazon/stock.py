"""Tells Amazon what it may sell: Listings Items, PATCH of `fulfillment_availability`, one SKU a call.

`merge` changes the quantity and leaves lead time and restock date as the seller set them. Source:
developer-docs.amazon.com, "Merge a listing". Amazon compares with nothing: the last figure counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from kept.connectors.answers import UnexpectedAnswer, masked, same
from kept.connectors.channels.amazon.client import Seller
from kept.connectors.http import Request
from kept.connectors.wire import segment
from kept.ports import PermanentFault, StockOffer, StockRefused

LISTINGS = "/listings/2021-08-01/items"
_BY_US = "DEFAULT"  # fulfillment_channel_code: the seller ships; Amazon's own warehouses have other codes
_ANY_PRODUCT = "PRODUCT"  # the product type that does for offers of all types

_SKU_AT_FAULT = frozenset({"InvalidInput", "InvalidParameterValue", "NotFound", "ResourceNotFound"})


class _Issue(msgspec.Struct):
    code: str = ""
    message: str = ""
    severity: str = ""


class _Submission(msgspec.Struct):
    sku: str
    status: str
    issues: list[_Issue] = msgspec.field(default_factory=list)


class AmazonStock:
    """`kept.ports.PushStock` for one seller, in all its marketplaces at once."""

    batch_max = 1

    def __init__(self, seller: Seller) -> None:
        self._seller = seller

    async def push(self, offers: Sequence[StockOffer], key: str) -> Sequence[StockRefused]:
        """Those that Amazon did not take: invalid ones, and SKUs that it has no listing of."""
        refused: list[StockRefused] = []
        for offer in offers:
            try:
                refusal = await self._patch(offer, key)
            except PermanentFault as fault:
                if fault.code not in _SKU_AT_FAULT:
                    raise
                refusal = StockRefused(offer.sku, fault.code, str(fault))
            if refusal is not None:
                refused.append(refusal)
        return refused

    async def _patch(self, offer: StockOffer, key: str) -> StockRefused | None:
        availability = {"fulfillment_channel_code": _BY_US, "quantity": offer.quantity}
        patch = {"op": "merge", "path": "/attributes/fulfillment_availability", "value": [availability]}
        request = Request(
            "PATCH",
            f"{LISTINGS}/{segment(self._seller.seller_id)}/{segment(offer.sku)}",
            json={"productType": _ANY_PRODUCT, "patches": [patch]},
            params={"marketplaceIds": ",".join(self._seller.marketplaces)},
            key=key,
            name="patchListingsItem",
        )
        return await self._seller.target.call(request, partial(_submitted, sku=offer.sku))


def _submitted(answer: Any, sku: str) -> StockRefused | None:
    submission = msgspec.convert(answer, _Submission)
    same("the SKU", sku, submission.sku)
    if submission.status == "ACCEPTED":
        return None
    if submission.status != "INVALID":
        raise UnexpectedAnswer(f"unknown status {submission.status[:40]!r} of a submission")
    errors = [issue for issue in submission.issues if issue.severity == "ERROR"] or submission.issues
    first = errors[0] if errors else _Issue(message="no reason given")
    return StockRefused(sku, first.code or "invalid", masked(first.message))
