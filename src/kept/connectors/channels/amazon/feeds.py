"""Feeds at Amazon: a document, its upload, the feed over it; minutes later Amazon has worked it off."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kept.connectors.answers import UnexpectedAnswer, given, same
from kept.connectors.channels.amazon.client import Seller
from kept.connectors.http import HttpTarget, Request
from kept.connectors.wire import Moment, segment

FEEDS = "/feeds/2021-06-30/feeds"
DOCUMENTS = "/feeds/2021-06-30/documents"
_CONTENT_TYPE = "text/xml; charset=UTF-8"
UNDER_WAY = frozenset({"IN_QUEUE", "IN_PROGRESS"})
DONE = "DONE"
_STATES = UNDER_WAY | {DONE, "FATAL", "CANCELLED"}


class _Document(msgspec.Struct, rename="camel"):
    feed_document_id: str
    url: str


class _Created(msgspec.Struct, rename="camel"):
    feed_id: str


class Feed(msgspec.Struct, rename="camel"):
    """A feed's state at Amazon. `processing_status` is one of five; an unknown one is no answer."""

    feed_id: str
    processing_status: str
    processing_end_time: Moment | None = None

    @property
    def is_under_way(self) -> bool:
        return self.processing_status in UNDER_WAY

    def done_at(self, now: datetime) -> datetime | None:
        """When Amazon was done with it; None for a feed that did not come to that."""
        return (self.processing_end_time or now) if self.processing_status == DONE else None


class Feeds:
    """One seller's feeds. `uploads` takes whole addresses, of `upload_schemes` only, and carries no token of ours."""

    def __init__(self, seller: Seller, uploads: HttpTarget, upload_schemes: frozenset[str]) -> None:
        self._seller = seller
        self._uploads = uploads
        self._upload_schemes = upload_schemes

    async def submit(self, feed_type: str, document: bytes, key: str) -> str:
        """The new feed's id. Only the last call changes anything: a document without its feed is scrap."""
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
            "feedType": feed_type,
            "marketplaceIds": list(self._seller.marketplaces),
            "inputFeedDocumentId": made.feed_document_id,
        }
        return await target.call(Request("POST", FEEDS, json=body, key=key, name="createFeed"), _created)

    async def feed(self, feed_id: str) -> Feed | None:
        """getFeed; None if Amazon knows no such feed."""

        def read(answer: Any) -> Feed:
            feed = msgspec.convert(answer, Feed)
            same("the feed", feed_id, feed.feed_id)
            if feed.processing_status not in _STATES:
                raise UnexpectedAnswer(f"unknown state {feed.processing_status[:40]!r} of a feed")
            return feed

        return await self._seller.target.look_up(Request("GET", f"{FEEDS}/{segment(feed_id)}", name="getFeed"), read)

    def _document(self, answer: Any) -> _Document:
        made = msgspec.convert(answer, _Document)
        given("feedDocumentId", made.feed_document_id)
        if urlsplit(made.url).scheme not in self._upload_schemes:
            raise UnexpectedAnswer(f"the address to upload to is not {' or '.join(sorted(self._upload_schemes))}")
        return made


def _created(answer: Any) -> str:
    return given("feedId", msgspec.convert(answer, _Created).feed_id)
