"""Documents as they are kept: JSON packed, everything else as it is."""

from __future__ import annotations

import zlib

_PACKED = "application/json"
_LEVEL = 1  # the fastest: higher ones save a tenth more and take twice as long


def packed(media_type: str, content: bytes) -> tuple[bytes, bool]:
    """The bytes to keep, and whether they are packed."""
    return (zlib.compress(content, _LEVEL), True) if media_type == _PACKED else (content, False)


def unpacked(content: bytes, is_packed: bool) -> bytes:
    return zlib.decompress(content) if is_packed else content
