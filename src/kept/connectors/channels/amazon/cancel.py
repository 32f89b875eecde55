"""Cancels at Amazon: the feed POST_ORDER_ACKNOWLEDGEMENT_DATA, whose "Failure" cancels.

Amazon works feeds off minutes later, and cancels whole items of orders of which nothing has shipped. Whether it did
is told by the order alone, so a cancel stays in doubt until the order says so; meanwhile its feed is looked at, and
no second one is sent beside one that is under way. The order is read before anything is sent: what is cancelled
already is not cancelled again, and what Amazon would refuse (or, worse, refund whole) is refused here.
Source: Amazon's feed schema OrderAcknowledgement.xsd and developer-docs.amazon.com, "Order feed type values".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from kept.connectors.channels.amazon.client import Seller
from kept.connectors.channels.amazon.codes import CANCEL_REASONS, STANDINGS_2026
from kept.connectors.channels.amazon.feeds import Feeds
from kept.connectors.channels.amazon.schemas_2026 import Item, Order
from kept.ports import ChannelCancel, ChannelCancelled, Fault, NotAsked, PermanentFault, UnknownResult

FEED_TYPE = "POST_ORDER_ACKNOWLEDGEMENT_DATA"
_LOOK_AGAIN_S = 60.0  # Amazon takes minutes; each look costs getOrder and getFeed
# An order shows what a feed did within minutes. After that the feed did not do it, and its report says why.
_SHOWS_WITHIN = timedelta(minutes=15)
_REMEMBERED_MAX = 10_000  # a forgotten feed is sent a second time, which changes nothing more


class AmazonCancel:
    """`kept.ports.CancelAtChannel` for one seller. `now` gives the time of day."""

    honours_key = False
    write_horizon = timedelta(0)  # a second feed for the same items changes nothing more

    def __init__(self, seller: Seller, feeds: Feeds, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._seller = seller
        self._feeds = feeds
        self._now = now
        self._sent: OrderedDict[str, str] = OrderedDict()  # our key -> feed id, of what this process sent

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled:
        """Have Amazon cancel whole items; done when the order says so. It answers by the order's id.

        Raises UnknownResult after sending the feed and NotAsked while it is under way; PermanentFault for a part of
        an item, for an order that has shipped in part, for an unknown one, and for a feed that had no effect.
        """
        order = await self._order(cancel)
        left = [item for item in _wanted(order, cancel) if not _is_cancelled(order, item)]
        if left:
            _check(order, left, cancel)
            await self._wait_for_feed(cancel, key)
            await self._send(cancel, left, key)
        self._sent.pop(key, None)
        return ChannelCancelled(cancel.channel_order_id)

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None:
        """Whether the order says that all of it is cancelled; a feed under way is not seen."""
        order = await self._seller.order(cancel.channel_order_id)
        if order is None or not all(_is_cancelled(order, item) for item in _wanted(order, cancel)):
            return None
        return ChannelCancelled(cancel.channel_order_id)

    async def _order(self, cancel: ChannelCancel) -> Order:
        order = await self._seller.order(cancel.channel_order_id)
        if order is None:
            raise PermanentFault(
                f"{self._seller.target.name} has no order {cancel.channel_order_id}", code="order_unknown"
            )
        return order

    async def _wait_for_feed(self, cancel: ChannelCancel, key: str) -> None:
        """Let go on only if no feed of ours may yet do it. Raises NotAsked and PermanentFault as `cancel` says."""
        feed_id = self._sent.get(key, "")
        feed = await self._feeds.feed(feed_id) if feed_id else None
        if feed is None:
            return
        done_at = feed.done_at(self._now())
        if feed.is_under_way or (done_at is not None and self._now() - done_at < _SHOWS_WITHIN):
            raise NotAsked(
                f"{self._seller.target.name}: feed {feed_id} is to cancel {cancel.channel_order_id}, which does not "
                f"show it yet",
                retry_after_s=_LOOK_AGAIN_S,
            )
        del self._sent[key]  # Amazon gave it up, or it had no effect: a replay may send anew
        if done_at is not None:
            raise PermanentFault(
                f"{self._seller.target.name} worked off feed {feed_id} and did not cancel {cancel.channel_order_id}: "
                f"its report there says why. Cancel it there, or replay",
                code="feed_without_effect",
            )

    async def _send(self, cancel: ChannelCancel, items: list[Item], key: str) -> None:
        feed_id = await self._feeds.submit(FEED_TYPE, document_of(self._seller.seller_id, cancel, items), key)
        self._sent[key] = feed_id
        while len(self._sent) > _REMEMBERED_MAX:
            self._sent.popitem(last=False)
        try:
            found = await self.find_cancel(cancel)
        except Fault:  # whatever it was: the feed is sent
            found = None
        if found is None:
            raise UnknownResult(
                f"{self._seller.target.name} has feed {feed_id}; order {cancel.channel_order_id} will tell whether it "
                f"is cancelled"
            )


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
