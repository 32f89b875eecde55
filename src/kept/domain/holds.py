"""Holds: what an order can be held for, and who can end it."""

from __future__ import annotations

from collections.abc import Collection

# Holds of which a person may say "so be it". The other ones end when their cause does: letting go is asking anew.
ACCEPTABLE = frozenset({"cancel_requested", "total_mismatch", "price_differs", "authorisation_expiring"})

# Holds that nothing but a newer revision, a mapping or a person ends. Every other one is the ERP's word, and ends by
# itself once the ERP says otherwise.
ENDED_BY_OTHERS = ACCEPTABLE | frozenset(
    {
        "channel_hold",
        "payment_gone",
        "sku_unmapped",
        "sku_missing",
        "no_address",
        "erp_conflict",
        "erp_total_differs",
    }
)


def is_accepted(code: str, accepted: Collection[str]) -> bool:
    """Whether a person has let an order go that is held for `code`."""
    return code in ACCEPTABLE and code in accepted
