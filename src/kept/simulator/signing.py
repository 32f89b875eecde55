"""How the simulated parties sign what they send. Written apart from Kept's own verification on purpose."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

STANDARD_PREFIX = "whsec_"


def standard_headers(secret: str, webhook_id: str, body: bytes, now_s: float) -> Mapping[str, str]:
    """Standard Webhooks headers (version v1) for one try; `secret` is `whsec_` and base64."""
    timestamp = str(int(now_s))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    key = base64.b64decode(secret.removeprefix(STANDARD_PREFIX))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }


def shopify_signature(secret: str, body: bytes) -> str:
    """The value of X-Shopify-Hmac-Sha256: base64 of the HMAC-SHA256 of the raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
