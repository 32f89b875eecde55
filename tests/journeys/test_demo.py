"""`kept demo`: from nothing to orders that were shipped under faults, and back to nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.journeys.running import kept


@pytest.mark.timeout(240)
async def test_the_demo_ends_well_under_faults_and_leaves_nothing_running(tmp_path: Path) -> None:
    arguments = ("demo", "--orders", "30", "--rate", "15", "--faults", "0.1", "--seed", "4")
    async with kept(tmp_path / "home", *arguments) as demo:
        code, out, err = await demo.ended(within_s=220)
        assert code == 0, out + err
        assert "30 of 30 orders at an end state" in out
        assert re.search(r"audit of \d+ checks holds", " ".join(out.split()))
        assert "not at rest" not in out
        assert "fault injected" in out
        assert len(demo.look()) >= 8  # PostgreSQL, Redis, API, relay, worker, the world
        assert demo.left_over() == []


async def test_a_port_that_is_taken_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with kept(tmp_path / "home", "up", "--demo", port=port) as up:
            code, _, err = await up.ended(within_s=90)
            assert code == 2
            assert "set KEPT_PORT" in err
            assert "Traceback" not in err
            assert up.left_over() == []
