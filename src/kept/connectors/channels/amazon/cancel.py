"""Cancels at Amazon: the feed POST_ORDER_ACKNOWLEDGEMENT_DATA, whose "Failure" cancels.

Amazon works feeds off minutes later, and cancels whole items of orders of which nothing has shipped; whether it did
is told by the order, whose next revision says so. The order is read before anything is sent: what is cancelled
already is not cancelled again, and what Amazon would refuse (or, worse, refund whole) is refused here.
Source: Amazon's feed schema OrderAcknowledgement.xsd and developer-docs.amazon.com, "Order feed type values".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import msgspec

from kept.connectors.answers import UnexpectedAnswer, given
from kept.connectors.channels.amazon.client import Seller
from kept.connectors.channels.amazon.codes import CANCEL_REASONS, STANDINGS_2026
from kept.connectors.channels.amazon.schemas_2026 import Item, Order
from kept.connectors.http import HttpTarget, Request
from kept.ports import ChannelCancel, ChannelCancelled, PermanentFault

FEEDS = "/feeds/2021-06-30/feeds"
DOCUMENTS = "/feeds/2021-06-30/documents"
FEED_TYPE = "POST_ORDER_ACKNOWLEDGEMENT_DATA"
_CONTENT_TYPE = "text/xml; charset=UTF-8"


class _Document(msgspec.Struct, rename="camel"):
    feed_document_id: str
    url: str


class _Feed(msgspec.Struct, rename="camel"):
    feed_id: str


class AmazonCancel:
    """`kept.ports.CancelAtChannel` for one seller.

    `uploads` takes whole addresses, of `upload_schemes` only, and carries no token of ours.
    """

    honours_key = False

    def __init__(self, seller: Seller, uploads: HttpTarget, upload_schemes: frozenset[str]) -> None:
        self._seller = seller
        self._uploads = uploads
        self._upload_schemes = upload_schemes

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled:
        """Have Amazon cancel whole items. It answers by the order's id: a feed's own id is of no use later.

        Raises PermanentFault for a part of an item, for an order that has shipped in part, and for an unknown one.
        """
        order = await self._seller.order(cancel.channel_order_id)
        if order is None:
            raise PermanentFault(
                f"{self._seller.target.name} has no order {cancel.channel_order_id}", code="order_unknown"
            )
        left = [item for item in _wanted(order, cancel) if not _is_cancelled(order, item)]
        if left:
            _check(order, left, cancel)
            await self._feed(document_of(self._seller.seller_id, cancel, left), key)
        return ChannelCancelled(cancel.channel_order_id)

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None:
        """Whether the order says that all of it is cancelled; a feed under way is not seen."""
        order = await self._seller.order(cancel.channel_order_id)
        if order is None or not all(_is_cancelled(order, item) for item in _wanted(order, cancel)):
            return None
        return ChannelCancelled(cancel.channel_order_id)

    async def _feed(self, document: bytes, key: str) -> None:
        """Document, upload, feed. Only the last one changes anything: a document without its feed is scrap."""
        target = self._seller.target
        asked = Request(
            "POST", DOCUMENTS, json={"contentType": _CONTENT_TYPE}, name="createFeedDocument", reads_only=True
        )
        made = await target.call(asked, self._document)
        upload = Request(
            "PUT",
            made.url,
            content=document,
            headers={"content-type": _CONTENT_TYPE},
            name="upload of a feed document",
            reads_only=True,
            bodiless=True,
        )
        await self._uploads.call(upload, lambda _: None)
        body = {
            "feedType": FEED_TYPE,
            "marketplaceIds": list(self._seller.marketplaces),
            "inputFeedDocumentId": made.feed_document_id,
        }
        await target.call(Request("POST", FEEDS, json=body, key=key, name="createFeed"), _feed_id)

    def _document(self, answer: Any) -> _Document:
        made = msgspec.convert(answer, _Document)
        given("feedDocumentId", made.feed_document_id)
        if urlsplit(made.url).scheme not in self._upload_schemes:
            raise UnexpectedAnswer(f"the address to upload to is not {' or '.join(sorted(self._upload_schemes))}")
        return made


def document_of(seller_id: str, cancel: ChannelCancel, items: list[Item]) -> bytes:
    """The feed's document, an XML envelope with one message."""
    reason = CANCEL_REASONS[cancel.reason]
    lines = "".join(
        f"<Item><AmazonOrderItemCode>{escape(item.order_item_id)}</AmazonOrderItemCode>"
        f"<CancelReason>{reason}</CancelReason></Item>"
        for item in items
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">'
        "<Header><DocumentVersion>1.01</DocumentVersion>"
        f"<MerchantIdentifier>{escape(seller_id)}</MerchantIdentifier></Header>"
        "<MessageType>OrderAcknowledgement</MessageType>"
        "<Message><MessageID>1</MessageID><OrderAcknowledgement>"
        f"<AmazonOrderID>{escape(cancel.channel_order_id)}</AmazonOrderID><StatusCode>Failure</StatusCode>{lines}"
        "</OrderAcknowledgement></Message></AmazonEnvelope>"
    ).encode()


def _wanted(order: Order, cancel: ChannelCancel) -> list[Item]:
    """The order's items that are to go. Raises PermanentFault for one that it has not."""
    if cancel.whole:
        return list(order.order_items)
    by_id = {item.order_item_id: item for item in order.order_items}
    ids = [cancel.line_ids[line_no] for line_no, quantity in cancel.quantities.items() if quantity > 0]
    unknown = [item_id for item_id in ids if item_id not in by_id]
    if unknown:
        raise PermanentFault(
            f"Amazon's order {cancel.channel_order_id} has no items {', '.join(unknown)}", code="line_unknown"
        )
    return [by_id[item_id] for item_id in ids]


def _is_cancelled(order: Order, item: Item) -> bool:
    if order.fulfillment is not None:
        standing = STANDINGS_2026.get(order.fulfillment.fulfillment_status)
        if standing is not None and standing.cancelled:
            return True
    fulfilment = item.fulfillment
    if fulfilment is None or (fulfilment.quantity_fulfilled is None and fulfilment.quantity_unfulfilled is None):
        return item.cancellation is not None and item.cancellation.cancellation_execution is not None
    return not (fulfilment.quantity_fulfilled or fulfilment.quantity_unfulfilled)


def _open_pieces(item: Item) -> int:
    unfulfilled = item.fulfillment.quantity_unfulfilled if item.fulfillment else None
    return item.quantity_ordered if unfulfilled is None else unfulfilled


def _check(order: Order, items: list[Item], cancel: ChannelCancel) -> None:
    """Raises PermanentFault for what the feed can't do."""
    shipped = [
        item.order_item_id
        for item in order.order_items
        if item.fulfillment is not None and item.fulfillment.quantity_fulfilled
    ]
    if shipped:
        raise PermanentFault(
            f"items {', '.join(shipped)} of Amazon's order {cancel.channel_order_id} have shipped: a cancel would give "
            f"back the money of all. Refund the rest there",
            code="partly_shipped",
        )
    if cancel.whole:
        return
    asked = {cancel.line_ids[line_no]: quantity for line_no, quantity in cancel.quantities.items()}
    for item in items:
        if asked[item.order_item_id] < _open_pieces(item):
            raise PermanentFault(
                f"{asked[item.order_item_id]} of {_open_pieces(item)} pieces of item {item.order_item_id} of Amazon's "
                f"order {cancel.channel_order_id}: Amazon cancels whole items only. Cancel or adjust it there",
                code="partial_quantity",
            )


def _feed_id(answer: Any) -> str:
    return given("feedId", msgspec.convert(answer, _Feed).feed_id)
