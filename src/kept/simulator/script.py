"""What a channel will say of one sale: which webhooks, when, in which order, how often.

Pure: the same seed and sale give the same script, so that a restarted world tells the same story.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from kept.simulator.config import Delays
from kept.simulator.faults import Luck
from kept.simulator.payloads import Version


class Flavour(StrEnum):
    """What the receiver ought to make of a webhook."""

    GOOD = "good"  # 2xx, however often it must be sent
    MALFORMED = "malformed"  # authentic and no order: kept and answered, never an order
    FORGED = "forged"  # refused


@dataclass(frozen=True, slots=True)
class Draft:
    """One webhook to send, `after_s` seconds after the sale. Equal `name`s share one webhook id."""

    name: str
    topic: str
    version: Version
    after_s: float
    flavour: Flavour = Flavour.GOOD


def script(luck: Luck, account: str, seq: int, delays: Delays, *, free: bool) -> tuple[Draft, ...]:
    """All webhooks of one sale."""

    def strikes(what: str) -> bool:
        return luck.strikes(what, account, seq)

    drafts = _story(strikes, delays, free=free)
    create, followers = drafts[0], drafts[1:]
    if strikes("late"):
        create = replace(create, after_s=delays.late_s)
    extra: list[Draft] = []
    if strikes("duplicates"):
        last = drafts[-1]
        extra.append(replace(last, after_s=last.after_s + delays.edit_after_s))
    if strikes("twins"):
        extra.append(replace(create, name="twin", after_s=create.after_s + delays.edit_after_s))
    if strikes("stale"):
        extra.append(Draft("stale", "orders/updated", create.version, delays.stale_after_s))
    if strikes("malformed"):
        extra.append(Draft("malformed", "orders/create", create.version, 0, Flavour.MALFORMED))
    if strikes("forged"):
        extra.append(Draft("forged", "orders/create", create.version, 0, Flavour.FORGED))
    return (create, *followers, *extra)


def is_cancelled(drafts: tuple[Draft, ...]) -> bool:
    """Whether the channel ends up withdrawing the order."""
    return any(draft.version.cancelled for draft in drafts)


def _story(strikes: Callable[[str], bool], delays: Delays, *, free: bool) -> list[Draft]:
    """The true sequence of an order's revisions: created, perhaps corrected, paid, cancelled."""
    pending = not free and strikes("pending")
    version = Version(age_s=0, pending=pending)
    overtaken = strikes("updated_first")
    drafts = [Draft("create", "orders/create", version, delays.edit_after_s * 2 if overtaken else 0)]
    if overtaken or strikes("edits"):
        version = replace(version, age_s=1, corrected=True)
        drafts.append(Draft("edit", "orders/updated", version, 0 if overtaken else delays.edit_after_s))
    if pending:
        version = replace(version, age_s=2, pending=False)
        drafts.append(Draft("paid", "orders/paid", version, delays.paid_after_s))
    if strikes("cancels_soon"):
        version = replace(version, age_s=3, cancelled=True)
        drafts.append(Draft("cancel", "orders/cancelled", version, delays.cancel_soon_s))
    elif strikes("cancels_late"):
        version = replace(version, age_s=3, cancelled=True)
        drafts.append(Draft("cancel", "orders/cancelled", version, delays.cancel_late_s))
    elif strikes("cuts"):
        version = replace(version, age_s=3, cut=True)
        drafts.append(Draft("cut", "orders/updated", version, delays.cut_after_s))
    return drafts
