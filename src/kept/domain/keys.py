"""Names that the outside knows us by: references, effect keys, trace ids.

A key is made from the order, the step and the content's version and from nothing else, so that a
retry, a replay and a second worker all say the same.
"""

from __future__ import annotations

import hashlib


def order_reference(installation: str, order_id: int) -> str:
    """Our own id of an order, told to ERPs and centres: `K7Q2F-000000123`."""
    return f"{installation}-{order_id:09d}"


def fulfilment_reference(order_ref: str, number: int) -> str:
    """Our own id of one centre's part of an order: `K7Q2F-000000123-2`."""
    return f"{order_ref}-{number}"


def effect_key(reference: str, operation: str, version: int = 1) -> str:
    """Idempotency key of one effect. Only an edited request raises the version, never a retry."""
    return f"{reference}:{operation}:{version}"


def traceparent(correlation_id: str, span: str) -> str:
    """A W3C Trace Context header value for a call made under `correlation_id`.

    The trace id is the correlation id's (32 hex digits); the span id is derived from what the span is,
    so that a retry of one call is the same span.
    """
    trace_id = correlation_id.replace("-", "")
    # W3C forbids the trace id that is all zeros.
    if len(trace_id) != 32 or not set(trace_id) <= set("0123456789abcdef") or not trace_id.strip("0"):
        trace_id = hashlib.blake2b(correlation_id.encode(), digest_size=16).hexdigest()
    span_id = hashlib.blake2b(span.encode(), digest_size=8).hexdigest()
    return f"00-{trace_id}-{span_id}-01"
