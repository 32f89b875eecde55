"""`kept up --demo`: runs until Ctrl-C, ends everything within ten seconds, and goes on where it stopped."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.journeys.running import Kept, kept
from tests.servers import until

_UP_WITHIN_S = 90.0
_ENDS = {"complete", "cancelled", "recorded", "held"}
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def ask(url: str) -> Any:
    """The JSON at `url`; None while nobody answers there."""
    async with httpx2.AsyncClient(timeout=5, trust_env=False, verify=_NO_TLS) as client:
        try:
            answer = await client.get(url)
        except httpx2.HTTPError:
            return None
    return answer.json() if answer.status_code == 200 else None


async def orders_of(running: Kept) -> dict[str, str]:
    """State by reference."""
    listed = await ask(f"{running.url}/v1/orders?limit=500")
    return {order["reference"]: order["state"] for order in (listed or {"orders": []})["orders"]}


async def completed(running: Kept, count: int) -> dict[str, str]:
    """Wait for so many complete orders; all orders then."""

    async def enough() -> dict[str, str]:
        assert running.process.returncode is None
        running.look()
        orders = await orders_of(running)
        return orders if sum(state == "complete" for state in orders.values()) >= count else {}

    return await until(enough, within_s=_UP_WITHIN_S, every_s=0.2)


async def interrupted(running: Kept) -> None:
    """Ctrl-C: exit code 0 within ten seconds, and nothing is left."""
    began = time.monotonic()
    running.interrupt()
    code, _, err = await running.ended(within_s=30)
    took_s = time.monotonic() - began
    assert code == 0, err
    assert took_s < 10, f"{took_s:.1f} s"
    assert running.left_over() == []


@pytest.mark.timeout(280)
async def test_ctrl_c_ends_everything_and_the_next_start_goes_on_with_the_same_orders(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with kept(home, "up", "--demo", "--rate", "4", "--seed", "9") as first:
        before = await completed(first, 3)
        before |= await orders_of(first)
        await interrupted(first)
    on_their_way = {reference for reference, state in before.items() if state not in _ENDS}
    async with kept(home, "up", "--demo", "--rate", "4", "--seed", "9") as second:
        await until(lambda: ask(f"{second.url}/readyz"), within_s=_UP_WITHIN_S, every_s=0.2)

        async def gone_on() -> bool:
            orders = await orders_of(second)
            assert not orders or set(before) <= set(orders)
            ended = all(orders.get(reference) in _ENDS for reference in on_their_way)
            return len(orders) > len(before) and ended

        await until(gone_on, within_s=_UP_WITHIN_S, every_s=0.2)
        await interrupted(second)
