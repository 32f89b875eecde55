"""The in-house format's codes."""

from __future__ import annotations

from kept.domain.order import Payment

PAYMENTS = {payment.value: payment for payment in Payment}
