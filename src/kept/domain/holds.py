"""Holds: what an order can be held for, and who can end it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

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
    }
)

# The codes by which an ERP refuses to book an order, and for which the order is held: somebody puts right what they
# name, in the ERP or in a mapping. A refusal with any other code is for an engineer, as a dead letter.
REFUSED_BOOKINGS: Mapping[str, str] = {
    "reference_conflict": "erp_conflict",  # our reference is there, with another order under it
    "erp_total_differs": "erp_total_differs",
    "total_differs": "erp_total_differs",
    "tax_differs": "erp_total_differs",
    **{
        code: code
        for code in (
            "ambiguous",
            "cancelled_there",
            "country_unknown",
            "country_unmapped",
            "credit_hold",
            "currency_unknown",
            "currency_unmapped",
            "customer_unknown",
            "shipping_sku_missing",
            "shop_unknown",
            "sku_unknown",
            "sku_not_saleable",
            "tax_unmapped",
            "unit_unmapped",
            "warehouse_unmapped",
        )
    },
}


def is_accepted(code: str, accepted: Collection[str]) -> bool:
    """Whether a person has let an order go that is held for `code`."""
    return code in ACCEPTABLE and code in accepted
