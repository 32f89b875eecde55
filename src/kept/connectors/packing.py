"""Answers that come compressed, from the few targets that are asked for it."""

from __future__ import annotations

import zlib

from kept.connectors.answers import UnexpectedAnswer

_GZIP = 31  # zlib's word for "with a gzip header, and the largest window" (zlib.h, inflateInit2)


def unpacked(body: bytes, encoding: str, accepted: str, *, bytes_max: int) -> bytes:
    """The answer as it was before it was packed: "identity", or "gzip" where that was `accepted` (RFC 9110, 8.4).

    Raises UnexpectedAnswer for another encoding, for what is no gzip, and for more than `bytes_max`.
    """
    kind = encoding.strip().lower()
    if kind == "identity":
        return body
    if kind != accepted or kind != "gzip":
        raise UnexpectedAnswer(f"it is encoded as {kind[:20]!r}, which we did not accept")
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        plain = unpacker.decompress(body, bytes_max)
    except zlib.error as exc:
        raise UnexpectedAnswer(f"it says it is gzip, and is not: {exc}") from exc
    if not unpacker.eof or unpacker.unused_data:
        raise UnexpectedAnswer(f"its gzip is cut short, or holds more than {bytes_max} bytes")
    return plain
