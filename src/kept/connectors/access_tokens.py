"""Access tokens that live for minutes or hours: fetched once for all calls, renewed before they end.

`TokenHeader` is what `HttpTarget` asks; the vendor's folder says how a token is fetched.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from kept.connectors.http import Refused, Request

# Renewed when this share of its life is left, so that no call meets the end of its token on the way.
_LEFT_SHARE = 0.1
_LEFT_MAX_S = 300.0


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, good for `expires_in_s` seconds from when it was asked for."""

    value: str = field(repr=False)
    expires_in_s: float


Fetch = Callable[[], Awaitable[Token]]


class AccessTokens:
    """The token of one account in one process. Whoever comes while it is being fetched waits for that fetch.

    `fetch` raises the faults of a read (a token more harms nobody), and AccessRefused where the credentials are
    not good. `clock` gives monotonic seconds.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._value = ""
        self._good_until = 0.0
        self._fetching = asyncio.Lock()

    async def get(self) -> str:
        """A token that is good for a while yet. Raises what `fetch` raises."""
        if self._clock() >= self._good_until:
            async with self._fetching:
                if self._clock() >= self._good_until:  # not fetched by somebody else meanwhile
                    await self._renew()
        return self._value

    def forget(self, value: str) -> bool:
        """Do not give this token again. False if it is not the one that is given now."""
        if value != self._value:
            return False
        self._good_until = 0.0
        return True

    async def _renew(self) -> None:
        asked_at = self._clock()
        token = await self._fetch()
        self._value = token.value
        self._good_until = asked_at + token.expires_in_s - min(token.expires_in_s * _LEFT_SHARE, _LEFT_MAX_S)


class TokenHeader:
    """`kept.connectors.http.Authorise`: the token in one header, after `prefix`."""

    def __init__(self, tokens: AccessTokens, header: str, prefix: str = "") -> None:
        self._tokens = tokens
        self._header = header
        self._prefix = prefix

    async def headers(self, request: Request) -> Mapping[str, str]:
        return {self._header: self._prefix + await self._tokens.get()}

    def is_over(self, refused: Refused, given: Mapping[str, str]) -> bool:
        """A 401 blames the token; a 403 blames its rights, which a new one would not have either."""
        if refused.status != HTTPStatus.UNAUTHORIZED:
            return False
        self._tokens.forget(given[self._header].removeprefix(self._prefix))
        return True
