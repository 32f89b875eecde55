"""The notifier: gives facts their places in the feed, and sends them to the endpoints that subscribed.

Any number of notifiers may run: one publishes at a time, and each subscription is held by one at a time. Within a
subscription orders are independent: the events of one are sent one after the other, those of others beside them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import orjson
import structlog

from kept.connectors.endpoints import Endpoint, Endpoints, NotAllowed
from kept.domain.notifying import Sent, Track, TrackKind, Try, conclude
from kept.domain.public_events import Fact, cloud_event, event_id
from kept.engine.interfaces import StoreUnavailable
from kept.observe.correlation import correlation_id, new_correlation_id
from kept.processes.assembly import utc_now
from kept.processes.worker import stop_on_signal
from kept.settings import Settings, SettingsError
from kept.store.database import Database
from kept.store.publishing import Feed, Publisher
from kept.store.rounds import Claim, Load, Rounds

log = structlog.get_logger("kept.notifier")

# No new event is sent after this, so that a round with its last answer (15 s at most) and its record stays within
# the lease of 30 s.
_SEND_FOR_S = 10.0
# Subscriptions worked on at once by one notifier: more than there may be, so that a slow one delays no other.
_ROUNDS_AT_ONCE = 200
# More than a round loads (see kept.store.rounds), so that it is no limit to an endpoint that works.
_EVENTS_A_ROUND = 10_000
_IDLE_S = 0.25
_AFTER_AN_OUTAGE_S = 1.0
_FORGET_EVERY_S = 3600.0
_STOP_WITHIN_S = 5.0


class Notifier:
    """Publishes and sends until cancelled. `clock` gives the time of day, `jitter` numbers in [0, 1)."""

    def __init__(
        self,
        database: Database,
        endpoints: Endpoints,
        clock: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.publisher = Publisher(database)
        self._feed = Feed(database)
        self._rounds = Rounds(database)
        self._endpoints = endpoints
        self._clock = clock
        self._jitter = jitter
        self.stopping = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish and send until `stopping` is set; rounds under way are finished, within reason."""
        rounds: set[asyncio.Task[None]] = set()
        works = [asyncio.create_task(work) for work in (self._publish(), self._forget(), self._claim_all(rounds))]
        stop = asyncio.create_task(stopping.wait())
        try:
            ended, _ = await asyncio.wait({stop, *works}, return_when=asyncio.FIRST_COMPLETED)
            for task in ended - {stop}:
                task.result()  # a bug is for the supervisor to see
        finally:
            self.stopping = True  # rounds under way send nothing more, and record what they sent
            for task in (stop, *works):
                task.cancel()
            if rounds:
                _, late = await asyncio.wait(set(rounds), timeout=_STOP_WITHIN_S)
                for task in late:
                    task.cancel()
            await asyncio.gather(stop, *works, *rounds, return_exceptions=True)

    async def _publish(self) -> None:
        while True:
            try:
                if not await self.publisher.publish():
                    await asyncio.sleep(_IDLE_S)
            except StoreUnavailable as fault:
                log.warning("publishing.failed", reason=str(fault))
                await asyncio.sleep(_AFTER_AN_OUTAGE_S)

    async def _forget(self) -> None:
        while True:
            try:
                await self._rounds.forget_old(self._clock())
            except StoreUnavailable as fault:
                log.warning("forgetting.failed", reason=str(fault))
            await asyncio.sleep(_FORGET_EVERY_S)

    async def _claim_all(self, rounds: set[asyncio.Task[None]]) -> None:
        while True:
            claim = None
            try:
                if len(rounds) < _ROUNDS_AT_ONCE:
                    claim = await self._rounds.claim(self._clock())
            except StoreUnavailable as fault:
                log.warning("claiming.failed", reason=str(fault))
                await asyncio.sleep(_AFTER_AN_OUTAGE_S)
            if claim is None:
                await asyncio.sleep(_IDLE_S)
                continue
            task = asyncio.create_task(self._contained(claim))
            rounds.add(task)
            task.add_done_callback(rounds.discard)

    async def _contained(self, claim: Claim) -> None:
        """A round whose failure is its own: the lease ends, and another round takes it up."""
        try:
            await self.round(claim)
        except StoreUnavailable as fault:
            log.warning("round.failed", subscription=claim.id, reason=str(fault))
        except Exception:
            log.exception("round.failed", subscription=claim.id)

    async def claim(self) -> Claim | None:
        """A subscription with something to send, if there is one."""
        return await self._rounds.claim(self._clock())

    async def round(self, claim: Claim) -> bool:
        """Send what a subscription is due, and record it; False if the claim was lost meanwhile."""
        correlation_id.set(new_correlation_id())
        load = await self._rounds.load(claim, self._clock())
        facts = await self._feed.facts(sorted({position for track in load.tracks for position in track.positions}))
        by_position = {fact.position: fact for fact in facts}
        sending = _Sending(claim, by_position, self._clock, self._endpoints, lambda: self.stopping)
        await sending.send(load.tracks)
        return await self._record(claim, load)

    async def _record(self, claim: Claim, load: Load) -> bool:
        now = self._clock()
        end = conclude(claim.standing, load.tracks, load.until, now, self._jitter())
        recorded = await self._rounds.record(claim, load.tracks, end, now)
        if end.standing.pause is not None:
            log.warning("subscription.paused", subscription=claim.id, why=end.standing.pause.value)
        elif end.standing.failures:
            log.warning(
                "subscription.failing",
                subscription=claim.id,
                failures=end.standing.failures,
                reason=end.standing.last_error,
            )
        return recorded


class _Sending:
    """One round's sending to one endpoint. `stopping` says that the process is to end."""

    def __init__(
        self,
        claim: Claim,
        facts: Mapping[int, Fact],
        clock: Callable[[], datetime],
        endpoints: Endpoints,
        stopping: Callable[[], bool],
    ) -> None:
        self._claim = claim
        self._facts = facts
        self._clock = clock
        self._endpoints = endpoints
        self._stopping = stopping
        self._places = asyncio.Semaphore(endpoints.requests_at_once)
        self._until_s = time.monotonic() + _SEND_FOR_S
        # An endpoint that fails is asked with a single event.
        self._events_left = 1 if claim.standing.failures else _EVENTS_A_ROUND
        self._taken = 0
        self._failed = 0
        self._told_to_stop = False

    async def send(self, tracks: Sequence[Track]) -> None:
        """Send the tracks' events; the tries are noted in the tracks."""
        tracks = [track for track in tracks if track.positions]
        if not tracks:
            return
        if self._claim.standing.failures:
            # First an order that is not blocked: one whose event is at fault does not speak for the endpoint.
            tracks.sort(key=lambda track: track.kind is not TrackKind.FRESH)
        try:
            async with self._endpoints.open(self._claim.url, self._claim.secrets) as endpoint:
                await asyncio.gather(*(self._follow(track, endpoint) for track in tracks))
        except (NotAllowed, SettingsError) as error:
            self._cannot_begin(tracks, str(error))
        except (TimeoutError, OSError) as error:
            self._cannot_begin(tracks, f"the host's address was not found: {type(error).__name__}")

    def _cannot_begin(self, tracks: Sequence[Track], error: str) -> None:
        """Nothing can be sent at all: a failed try of one event, of an order that was not blocked if there is one."""
        if self._taken or self._failed:
            return  # the connections broke when they were closed: what was sent is known
        self._note(min(tracks, key=lambda track: track.kind is not TrackKind.FRESH), Sent(None, 0, error))

    async def _follow(self, track: Track, endpoint: Endpoint) -> None:
        """One order's events in order, until one is not taken or the round is over."""
        async with self._places:
            for position in track.positions:
                if self._over():
                    return
                self._events_left -= 1
                sent = await self._send_one(self._facts[position], endpoint)
                self._note(track, sent)
                if not sent.taken:
                    return

    async def _send_one(self, fact: Fact, endpoint: Endpoint) -> Sent:
        try:
            body = orjson.dumps(cloud_event(fact, personal_data=self._claim.personal_data))
        except Exception as error:
            # A fault of ours in one event must not stop the others; it is tried again when it may be mended.
            log.exception("event.unwritable", event_id=event_id(fact))
            return Sent(None, 0, f"the event can't be written: {type(error).__name__}")
        return await endpoint.send(event_id(fact), body)

    def _note(self, track: Track, sent: Sent) -> None:
        attempt = track.attempts + 1 if not track.tries else 1
        track.tries.append(Try(track.positions[len(track.tries)], attempt, self._clock(), sent))
        self._taken += sent.taken
        self._failed += not sent.taken
        self._told_to_stop = self._told_to_stop or sent.gone or bool(sent.retry_after_s)

    def _over(self) -> bool:
        nothing_works = not self._taken and self._failed >= self._endpoints.requests_at_once
        if self._stopping() or self._told_to_stop or nothing_works:
            return True
        return self._events_left == 0 or time.monotonic() > self._until_s


async def run_notifier(settings: Settings) -> None:
    """Publish and send until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    stop_on_signal(stopping.set)
    database = Database(settings.database_url)
    try:
        notifier = Notifier(database, Endpoints(settings.business.events, utc_now), utc_now)
        log.info("notifier.started")
        await notifier.run(stopping)
        log.info("notifier.stopped")
    finally:
        await database.close()
