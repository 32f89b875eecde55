"""What goes wrong outside. Connectors raise these; only the engine turns one into an outcome."""

from __future__ import annotations


class Fault(Exception):
    """Something outside went wrong. The text says what, which value and what to do; no secrets, no personal data.

    `down_for_s` is set where it is the target that looks down, whoever asks it for whatever: the seconds for which it
    is left alone. Such a fault costs the delivery that met it no attempt.
    """

    down_for_s: float | None = None


class TemporaryFault(Fault):
    """The target surely did nothing, and may do it later. `retry_after_s` is the target's own wish, if it had one."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotAsked(TemporaryFault):
    """We did not even ask. Costs the delivery no attempt."""


class CircuitOpen(NotAsked):
    """The target failed too often just now, or refuses us."""


class QuotaSpent(NotAsked):
    """The vendor allows no more calls for now; `retry_after_s` is when our turn comes."""


class PermanentFault(Fault):
    """The target refused for good, or the content can't be sent: a person has to look. `code` is the vendor's."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AccessRefused(PermanentFault):
    """The target refused us and not this request: our credentials, their rights, the account.

    With `whole_account` any call would fail; otherwise every call of this kind.
    """

    def __init__(self, message: str, *, code: str = "", whole_account: bool = True) -> None:
        super().__init__(message, code=code)
        self.whole_account = whole_account


class UnknownResult(Fault):
    """Sent, and no telling whether it was done: timeout or cut after sending, or a 5xx that may have applied."""


class BadMessage(Exception):
    """An authentic message that can't be read. `where` is its position: "line 3 column 7" or "$.lines[0].sku"."""

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(f"{message} (at {where})" if where else message)
        self.where = where


class NotAuthentic(Exception):
    """A message whose sender can't be verified. Its text is for our log only; the caller learns nothing."""
