"""The list of planted bugs: each breaks one rule, and has to be found within its number of schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

from . import planted_engine as engine
from . import planted_store as store
from .planted_engine import Bugged
from .store import SimStore
from .target import HORIZON, LATENESS_MS
from .world import World


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """`within` is several times the most schedules that it took from any of six first seeds."""

    name: str
    within: int
    rule: type[SimStore] = SimStore
    patch: Callable[[], Bugged] = nullcontext
    faults_only: tuple[tuple[str, str], ...] = ()
    horizon: timedelta = HORIZON

    @contextmanager
    def planted(self) -> Iterator[type[World]]:
        """A type of world that has the bug, while the context lasts."""
        with self.patch():
            yield type("BuggedWorld", (self.sound(),), {"store_type": self.rule})

    def sound(self) -> type[World]:
        """The same type of world without the bug."""
        return type("FocusedWorld", (World,), {"faults_only": frozenset(self.faults_only), "horizon": self.horizon})


# Bugs that show only where several faults of few kinds meet are looked for among those.
_LATE_REFUSAL = (("refused_for_now", "send"), ("freeze_before", "settle"), ("crash_before", "settle"))
_LATE_AND_SLOW = (("cut_late", "send"), ("crash_in_flight", "send"), ("stall_after", "find"))
# Enough where no fault holds up a request between its intent and its way out.
_SHORT_HORIZON = timedelta(milliseconds=LATENESS_MS + 1000)

PLANTED = (
    PlantedBug("a settlement is not fenced", 300, rule=store.NoFencing),
    PlantedBug("a claim is not checked", 300, rule=store.NoClaimCheck),
    PlantedBug("a claim does not raise the epoch", 30, rule=store.EpochStays),
    PlantedBug(
        "an old attempt's result counts",
        1500,
        rule=store.OldResultsCount,
        faults_only=_LATE_REFUSAL,
        horizon=_SHORT_HORIZON,  # the second attempt sends before the first one's refusal is written
    ),
    PlantedBug("a confirmed effect may be unlearned", 300, rule=store.ConfirmedMayBeLost, faults_only=_LATE_REFUSAL),
    PlantedBug("an effect's result is not stored", 30, rule=store.ResultNotStored),
    PlantedBug("a settled delivery stays", 30, rule=store.DeliveryStays),
    PlantedBug("the next delivery comes in a later commit", 30, rule=store.NextDeliveryLater),
    PlantedBug("a stale settlement frees another's claim", 1500, rule=store.StaleFreesClaim),
    PlantedBug("lost rings are not swept up", 30, rule=store.SweepFindsNothing),
    PlantedBug("the relay never rings", 30, patch=engine.relay_never_rings),
    PlantedBug("acknowledged before the commit", 30, patch=engine.acknowledges_before_the_commit),
    PlantedBug("a new key per attempt", 30, patch=engine.new_key_per_attempt),
    PlantedBug("sent again without a search", 300, patch=engine.sends_again_without_a_search),
    PlantedBug("the write horizon is ignored", 300, patch=engine.ignores_the_write_horizon, faults_only=_LATE_AND_SLOW),
    PlantedBug(
        "an empty search is judged by its end",
        300,
        patch=engine.judges_an_empty_search_by_its_end,
        faults_only=_LATE_AND_SLOW,
        horizon=_SHORT_HORIZON,
    ),
    PlantedBug("an unknown result is taken for a refusal", 300, patch=engine.takes_an_unknown_result_for_a_refusal),
    PlantedBug("sent again where only a person can tell", 300, patch=engine.sends_again_where_only_a_person_can_tell),
    PlantedBug("sent before the intent", 300, patch=engine.sends_before_the_intent),
    PlantedBug("a confirmed effect is sent again", 300, patch=engine.sends_again_what_is_confirmed),
    PlantedBug("work goes on without the claim", 300, patch=engine.goes_on_without_the_claim),
)
