"""A system outside that is asked for changes, and that sometimes doesn't say what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kept.ports import CircuitOpen, PermanentFault, TemporaryFault, UnknownResult

from .crossing import LEASE_MS, Crossing
from .stepper import CRASH, pause

TIMEOUT_MS = 10_000  # as the connectors': half a lease
LATENESS_MS = 8_000  # how long after it was sent a lost request may still apply
# The engine counts the horizon from the intent, and a request may leave as late as its lease ends.
HORIZON = timedelta(milliseconds=LEASE_MS + LATENESS_MS)


class Kind(Enum):
    """What a target offers against doing a thing twice."""

    KEYED = "keyed"  # one document per key, however often asked
    SEARCHABLE = "searchable"  # no key, but finds a document by our reference
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Document:
    """What a target made, and its answer."""

    document_id: str


class SimTarget:
    """One target. `leases` tells until when each process may send (by its last intent)."""

    def __init__(
        self, crossing: Crossing, name: str, kind: Kind, leases: Mapping[str, int], tally: Counter[str]
    ) -> None:
        self.name = name
        self.kind = kind
        self.honours_key = kind is Kind.KEYED
        self.searchable = kind is Kind.SEARCHABLE
        self.horizon = HORIZON
        self.documents: dict[str, list[Document]] = {}  # by our reference
        self.overdue: set[str] = set()  # references that a process sent after its lease had ended
        self.resent: set[str] = set()  # references sent again although an earlier request was not refused
        self._crossing = crossing
        self._leases = leases
        self._tally = tally
        self._by_key: dict[str, Document] = {}
        self._under_way: set[str] = set()

    async def send(self, reference: str, key: str) -> Document:
        """Ask for a document. Raises the faults of `kept.ports`."""
        crossing = self._crossing
        fault = await crossing.enter("send")
        caller = crossing.stepper.caller()
        if fault == "circuit_open":
            raise CircuitOpen("open", retry_after_s=2.0)
        if crossing.stepper.now_ms > self._leases.get(caller.name, 0):
            self.overdue.add(reference)
        if reference in self._under_way:
            self.resent.add(reference)
        match fault:
            case "refused_for_now":
                await crossing.leave("")
                raise TemporaryFault("503")
            case "refused_for_good":
                await crossing.leave("")
                raise PermanentFault("422", code="refused")
        self._under_way.add(reference)
        result, _, fate = fault.partition("_")
        if result in {"cut", "timeout"}:
            self._meet(reference, key, fate)
            await pause(TIMEOUT_MS if result == "timeout" else 300)
            raise UnknownResult(fault)
        if fault == "crash_in_flight":
            self._meet(reference, key, "late")
            await pause(CRASH)
        document = self._apply(reference, key)
        await crossing.leave(fault)
        return document

    async def find(self, reference: str) -> Document | None:
        """The document that has our reference. Raises TemporaryFault."""
        fault = await self._crossing.enter("find")
        if fault == "search_fails":
            raise TemporaryFault("search: 503")
        documents = self.documents.get(reference)
        await self._crossing.leave(fault)
        return documents[0] if documents else None

    def _meet(self, reference: str, key: str, fate: str) -> None:
        """What becomes of a request that gets no answer."""
        if fate == "done":
            self._apply(reference, key)
        elif fate == "late":
            stepper = self._crossing.stepper
            late_ms = self._crossing.unrest(stepper.random.randint(1, LATENESS_MS))
            stepper.after(late_ms, lambda: self._apply_late(reference, key))

    def _apply_late(self, reference: str, key: str) -> None:
        self._crossing.stepper.note(f"applies late: {reference}")
        self._tally["applied_late"] += 1
        self._apply(reference, key)

    def _apply(self, reference: str, key: str) -> Document:
        if self.kind is Kind.KEYED and key in self._by_key:
            return self._by_key[key]
        made = self.documents.setdefault(reference, [])
        document = Document(f"{reference}#{len(made) + 1}")
        made.append(document)
        self._by_key[key] = document
        return document
