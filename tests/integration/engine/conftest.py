"""A world on real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.engine.world import World, instant_world


@pytest.fixture
async def world(database_url: str, redis_url: str) -> AsyncIterator[World]:
    async with instant_world(database_url, redis_url) as made:
        yield made
