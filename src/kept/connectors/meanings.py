"""What a vendor's own error codes mean, as tables: one entry a code, and the fault that it becomes."""

from __future__ import annotations

from enum import Enum

from kept.ports import AccessRefused, Fault, PermanentFault, TemporaryFault, UnknownResult


class Meaning(Enum):
    """What an error leaves us with."""

    TEMPORARY = "temporary"  # nothing was done, and it may be later
    PERMANENT = "permanent"  # nothing was done, and it would not be later either
    AUTH = "auth"  # the account is at fault, and every other call of it is refused too
    RIGHTS = "rights"  # the account lacks a right to calls of this kind
    UNKNOWN = "unknown"  # it may have been done


def fault_of(meaning: Meaning, text: str, code: str, *, changes: bool = True) -> Fault:
    """The fault for an error; for a call that `changes` nothing, no telling means that it can be asked again."""
    match meaning:
        case Meaning.TEMPORARY:
            return TemporaryFault(text)
        case Meaning.UNKNOWN:
            return UnknownResult(text) if changes else TemporaryFault(text)
        case Meaning.AUTH:
            return AccessRefused(text, code=code)
        case Meaning.RIGHTS:
            return AccessRefused(text, code=code, whole_account=False)
        case Meaning.PERMANENT:
            return PermanentFault(text, code=code)
