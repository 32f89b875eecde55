"""Effects, written ahead: intent committed, then sent, then observed.

`perform` is the whole protocol. It knows no clock, queue or database but those it is given, so that the
deterministic simulation runs this very code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import orjson

from kept.engine import crash
from kept.engine.delivery import Delivery, EffectResult
from kept.engine.interfaces import EffectRecord, Intent, IntentLedger
from kept.ports import Answer, Effect, NotAsked, PermanentFault, TemporaryFault, UnknownResult


class ClaimLost(Exception):
    """Another worker owns the delivery: this one must leave it alone."""


class StillUncertain(Exception):
    """An earlier try may yet apply at the target: nothing may be sent before `until`."""

    def __init__(self, until: datetime, reason: str) -> None:
        super().__init__(reason)
        self.until = until


_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def request_hash(request: object) -> str:
    """SHA-256 of the request's JSON: the same key must always carry the same content."""
    return hashlib.sha256(orjson.dumps(request, option=_CANONICAL)).hexdigest()


@dataclass(slots=True)
class DeliveryEffects:
    """The effects of one delivery; what was observed is in `results`, for its settlement."""

    delivery: Delivery
    ledger: IntentLedger
    clock: Callable[[], datetime]
    results: list[EffectResult] = field(default_factory=list)
    claimed: bool = False

    async def perform(
        self,
        effect: Effect,
        send: Callable[[], Awaitable[Answer]],
        *,
        answer_type: type[Answer],
        find: Callable[[], Awaitable[Answer | None]] | None,
        honours_key: bool,
        write_horizon: timedelta = timedelta(0),
    ) -> Answer:
        """See `kept.ports.Effects.perform`."""
        digest = request_hash(effect.request)
        record = await self._intend(effect, digest)
        if record.request_hash != digest:
            raise PermanentFault(
                f"effect {effect.key} was begun with another content; replay the order as a new version",
                code="effect_content_changed",
            )
        if record.resolved == "confirmed":
            return _stored(record, answer_type)
        if record.resolved == "unresolved":
            searched_at = self.clock()
            adopted = await self._look_up(effect, record, find)
            if adopted is not None:
                return adopted
            self._guard_resend(effect, record, searched_at if find else None, honours_key, write_horizon)
            # Committed anew: the horizon of what is sent now counts from now, and a mere look did not move it.
            record = await self._intend(effect, digest, resend=True)
            if record.resolved == "confirmed":  # by an earlier try, whose worker settled while we searched
                return _stored(record, answer_type)
        return await self._send(effect, record, send)

    async def _intend(self, effect: Effect, digest: str, *, resend: bool = False) -> EffectRecord:
        crash.reach("intent.before_commit")
        record = await self.ledger.intend(
            Intent(
                delivery_id=self.delivery.id,
                epoch=self.delivery.epoch,
                claimed=self.claimed,
                key=effect.key,
                target=effect.target,
                operation=effect.operation,
                request_hash=digest,
                correlation_id=self.delivery.correlation_id,
                resend=resend,
            )
        )
        if record is None:
            raise ClaimLost(f"delivery {self.delivery.id} of step {self.delivery.step}")
        crash.reach("intent.after_commit")
        self.claimed = True
        self.delivery.epoch = record.epoch
        return record

    def _guard_resend(
        self, effect: Effect, record: EffectRecord, searched_at: datetime | None, honours_key: bool, horizon: timedelta
    ) -> None:
        """An empty search proves nothing if a lost request might still apply after it; a key makes that harmless."""
        if honours_key:
            return
        if searched_at is None:
            raise PermanentFault(
                f"{effect.operation} at {effect.target} was sent without an answer, and {effect.target} has "
                f"neither a key nor a search: look there for {effect.key}, then replay or discard",
                code="unresolved_effect",
            )
        settles_at = record.last_sent_at + horizon
        if searched_at < settles_at:
            raise StillUncertain(settles_at, f"{effect.operation} at {effect.target} may still apply")

    async def _look_up(
        self, effect: Effect, record: EffectRecord, find: Callable[[], Awaitable[Answer | None]] | None
    ) -> Answer | None:
        if find is None:
            return None
        begun = self.clock()
        answer = await find()
        if answer is not None:
            self._observe(effect, record, begun, "confirmed", answer=answer, adopted=True)
        return answer

    async def _send(self, effect: Effect, record: EffectRecord, send: Callable[[], Awaitable[Answer]]) -> Answer:
        begun = self.clock()
        crash.reach("effect.before_call")
        try:
            answer = await send()
        except NotAsked as fault:
            # Nobody was asked: the intent is taken back, and there is no try to tell of.
            status = "unknown" if record.resolved == "unresolved" else "refused"
            self._observe(effect, record, begun, status, error=str(fault), asked=False)
            raise
        except (TemporaryFault, PermanentFault) as fault:
            # Both mean that *this* try surely did nothing. An earlier one without an answer stays in doubt.
            status = "unknown" if record.resolved == "unresolved" else "refused"
            self._observe(effect, record, begun, status, error=str(fault))
            raise
        except UnknownResult as fault:
            self._observe(effect, record, begun, "unknown", error=str(fault))
            raise
        crash.reach("effect.after_call")
        self._observe(effect, record, begun, "confirmed", answer=answer)
        return answer

    def _observe(
        self,
        effect: Effect,
        record: EffectRecord,
        begun: datetime,
        status: str,
        *,
        answer: object = None,
        adopted: bool = False,
        error: str = "",
        asked: bool = True,
    ) -> None:
        duration = self.clock() - begun
        encoded = orjson.dumps(answer) if status == "confirmed" else None
        self.results.append(
            EffectResult(
                key=effect.key,
                status=status,
                attempt=record.attempt,
                epoch=record.epoch,
                at=begun,
                duration_ms=int(duration.total_seconds() * 1000),
                downstream_id=_identity(answer),
                answer=encoded,
                adopted=adopted,
                error=error[:500],
                asked=asked,
            )
        )


def _stored(record: EffectRecord, answer_type: type[Answer]) -> Answer:
    assert record.answer is not None, "a confirmed effect keeps its answer"
    return msgspec.json.decode(record.answer, type=answer_type)


def _identity(answer: Any) -> str:
    """The target's own id of what was done: the first field of its answer."""
    return str(getattr(answer, fields(answer)[0].name)) if is_dataclass(answer) else ""
