"""Compressed answers: only where they were asked for, and never more than the limit."""

from __future__ import annotations

import gzip

import pytest

from kept.connectors.answers import UnexpectedAnswer
from kept.connectors.packing import unpacked

PLAIN = b'{"id": 1}'


def test_an_answer_comes_as_it_is_or_as_gzip_where_that_was_accepted() -> None:
    assert unpacked(PLAIN, "identity", "identity", bytes_max=99) == PLAIN
    assert unpacked(PLAIN, " Identity", "gzip", bytes_max=99) == PLAIN
    assert unpacked(gzip.compress(PLAIN), "GZIP", "gzip", bytes_max=len(PLAIN)) == PLAIN


@pytest.mark.parametrize(
    ("body", "encoding", "accepted", "why"),
    [
        (gzip.compress(PLAIN), "gzip", "identity", "did not accept"),
        (PLAIN, "br", "gzip", "encoded as 'br'"),
        (PLAIN, "br", "br", "encoded as 'br'"),
        (PLAIN, "gzip", "gzip", "is not"),
        (gzip.compress(PLAIN)[:-3], "gzip", "gzip", "cut short"),
        (gzip.compress(PLAIN) * 2, "gzip", "gzip", "cut short, or holds more"),
        (gzip.compress(b" " * 100), "gzip", "gzip", "more than 99 bytes"),
    ],
    # A packed body bears the second in which it was made, and the names of tests must not.
    ids=["not accepted", "another", "not accepted either", "no gzip", "cut", "more behind it", "too long"],
)
def test_anything_else_is_no_answer(body: bytes, encoding: str, accepted: str, why: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=why):
        unpacked(body, encoding, accepted, bytes_max=99)
