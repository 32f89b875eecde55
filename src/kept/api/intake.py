"""Intake: verify the sender, keep the raw message, answer 2xx. Nothing is judged by its content here."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

import structlog

from kept.api.problems import Problem
from kept.engine import crash
from kept.engine.delivery import Ring
from kept.engine.interfaces import Bell, BellUnavailable, StoreUnavailable
from kept.observe.correlation import correlation_id
from kept.ports import Identify, Incoming, Normalise, NotAuthentic, Verify
from kept.store.inbox import Arrival, Inbox, Receipt

log = structlog.get_logger("kept.api.intake")

# One commit takes a few milliseconds; whatever arrives meanwhile shares the next one.
_GROUP_MAX = 200
# While one group is being committed the next is already on its way.
_COMMITS_AT_ONCE = 2
# A sender's own id is some dozens of characters; from about 2,700 bytes on it would fit no index row.
_KEY_CHARS_MAX = 300
# Kept with the message; everything else (cookies, authorisation) is left behind.
_HEADERS_KEPT = ("content-type", "webhook-id", "webhook-timestamp", "traceparent")
_PREFIXES_KEPT = ("x-shopify-", "x-amz", "wm_", "ce-")
_HEADERS_NEVER = ("hmac", "signature", "token", "authorization")


class Source:
    """A party that may send us messages."""

    def __init__(
        self,
        name: str,
        kind: str,
        verify: Verify,
        identify: Identify,
        *,
        admit: Verify | None = None,
        normalise: Normalise | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.verify = verify
        self.identify = identify
        self.admit = admit
        self.normalise = normalise


class Intake:
    """Accepts messages in group commits: a caller waits for its own commit and for nobody else's."""

    def __init__(self, inbox: Inbox, bell: Bell, sources: Mapping[str, Source]) -> None:
        self._inbox = inbox
        self._bell = bell
        self._sources = sources
        self._waiting: list[tuple[Arrival, asyncio.Future[Receipt]]] = []
        self._committing = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, name: str, message: Incoming, now: datetime) -> Receipt:
        """Keep a message of `name`'s. Raises Problem 401 or 404, StoreUnavailable."""
        source = self._sources.get(name)
        if source is None:
            raise Problem(404, "Unknown account", "No channel account or centre of that name is configured.")
        try:
            source.verify(message, now)
        except NotAuthentic as error:
            await self._refuse(source.name, error)
            raise Problem(401, "Not authentic", "The signature does not verify; nothing was kept.") from error
        return await self.keep(source, message, source.identify(message), now)

    async def admitted(self, name: str, message: Incoming, now: datetime, *, signed: bool) -> Source:
        """The channel account that may post orders here, by signature or else by bearer token.

        Raises Problem 401, and 404 for an account that there is not or that has no REST intake.
        """
        source = self._sources.get(name)
        if source is None or source.admit is None:
            raise Problem(404, "Unknown account", "No channel account of that name takes orders here.")
        try:
            (source.verify if signed else source.admit)(message, now)
        except NotAuthentic as error:
            await self._refuse(source.name, error)
            detail = "Send one of the account's intake_tokens as a bearer token, or sign the body; nothing was kept."
            raise Problem(401, "Not authentic", detail, {"WWW-Authenticate": "Bearer"}) from error
        return source

    async def accept_with_key(self, name: str, key_of_api: str, message: Incoming, now: datetime) -> Receipt:
        """Keep an order sent with the API key instead of a signature; `Idempotency-Key` is its id."""
        source = self._sources.get(name)
        if source is None or source.kind != "channel":
            raise Problem(404, "Unknown account", "No channel account of that name is configured.")
        given = message.headers.get("authorization", "").removeprefix("Bearer ")
        if not key_of_api or not hmac.compare_digest(given.encode(), key_of_api.encode()):
            await self._refuse(source.name, NotAuthentic("api key"))
            raise Problem(401, "Not authentic", "The API key is missing or wrong; nothing was kept.")
        key = message.headers.get("idempotency-key", "")
        if not 1 <= len(key) <= 200:
            raise Problem(400, "No Idempotency-Key", "Send an Idempotency-Key of 1 to 200 characters.")
        return await self.keep(source, message, f"key:{key}", now)

    async def _refuse(self, name: str, error: NotAuthentic) -> None:
        log.warning("intake.refused", source=name, reason=str(error))
        try:
            await self._inbox.count_refusal(name, "not authentic")
        except StoreUnavailable:
            log.warning("intake.refusal_not_counted", source=name)

    async def keep(self, source: Source, message: Incoming, external_key: str, now: datetime) -> Receipt:
        """Keep a verified message under the sender's id of it. Raises StoreUnavailable."""
        arrival = Arrival(
            source=source.name,
            source_kind=source.kind,
            external_key=_key_that_fits(external_key) or hashlib.sha256(message.body).hexdigest(),
            headers=_kept_headers(message.headers),
            body=message.body,
            correlation_id=correlation_id.get(),
            received_at=now,
        )
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, future))
        if self._committing < _COMMITS_AT_ONCE:
            self._committing += 1
            asyncio.get_running_loop().call_soon(self._start_commits)
        receipt = await future
        correlation_id.set(receipt.correlation_id)
        return receipt

    def _start_commits(self) -> None:
        task = asyncio.get_running_loop().create_task(self._commit_all())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _commit_all(self) -> None:
        """Commit group after group until nobody waits."""
        while self._waiting:
            group, self._waiting = self._waiting[:_GROUP_MAX], self._waiting[_GROUP_MAX:]
            await self._commit(group)
        self._committing -= 1

    async def _commit(self, group: Sequence[tuple[Arrival, asyncio.Future[Receipt]]]) -> None:
        try:
            receipts, rings = await self._inbox.accept([arrival for arrival, _ in group])
        except Exception as error:  # noqa: BLE001 - handed to every caller whose commit it was
            if len(group) > 1 and not isinstance(error, StoreUnavailable):
                for alone in group:  # one message that can't be kept must not refuse its neighbours
                    await self._commit([alone])
                return
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), receipt in zip(group, receipts, strict=True):
            if not future.done():
                future.set_result(receipt)
        self._start_ring(rings)

    def _start_ring(self, rings: Sequence[Ring]) -> None:
        """Ring without making the sender wait: the commit is what counts, and the relay finds a lost ring."""

        async def ring() -> None:
            crash.reach("ring.before")
            try:
                await self._bell.ring(rings)
            except BellUnavailable as error:
                log.warning("intake.ring_lost", error=type(error).__name__, deliveries=len(rings))
            crash.reach("ring.after")

        if rings:
            task = asyncio.get_running_loop().create_task(ring())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Wait for commits and rings under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)


def _key_that_fits(external_key: str) -> str:
    """The sender's id, or the hash of one that is too long: the same message still has the same key."""
    if len(external_key) <= _KEY_CHARS_MAX:
        return external_key
    return "sha256:" + hashlib.sha256(external_key.encode()).hexdigest()


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if _is_kept(name)}


@lru_cache(maxsize=1000)  # senders use a few dozen names; a hostile one must not fill the memory
def _is_kept(name: str) -> bool:
    wanted = name in _HEADERS_KEPT or name.startswith(_PREFIXES_KEPT)
    return wanted and not any(word in name for word in _HEADERS_NEVER)
