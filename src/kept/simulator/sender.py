"""Posts webhooks to Kept and says what came back."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from kept.simulator.config import Delays


@dataclass(frozen=True, slots=True)
class Reply:
    """What Kept answered to one try. `status` is None when there was no answer."""

    status: int | None
    correlation_id: str
    error: str

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def definite(self) -> bool:
        """Accepted, or refused in a way that trying again won't change."""
        return self.status is not None and self.status < 500 and self.status not in {408, 425, 429}


class Webhooks:
    """A client for `POST {kept}/webhooks/{account}`."""

    def __init__(self, kept_url: str, timeout_s: float, at_once: int) -> None:
        limits = httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        # Reading the machine's certificates takes 50 ms and more, which plain HTTP has no use for.
        tls = ssl.create_default_context() if kept_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._client = httpx2.AsyncClient(
            base_url=kept_url, timeout=timeout_s, limits=limits, trust_env=False, verify=tls
        )

    async def post(self, account: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One try; never raises for what Kept or the network does."""
        try:
            response = await self._client.post(f"/webhooks/{account}", headers=dict(headers), content=body)
        except httpx2.HTTPError as error:
            return Reply(None, "", type(error).__name__)
        return Reply(response.status_code, response.headers.get("x-correlation-id", ""), "")

    async def close(self) -> None:
        await self._client.aclose()


def retry_delay_s(delays: Delays, attempts: int) -> float:
    """How long to wait after so many tries: doubled each time, up to a bound."""
    return min(delays.retry_max_s, delays.retry_base_s * 2.0 ** min(attempts, 16))
