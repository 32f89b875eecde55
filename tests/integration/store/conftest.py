"""A driver of the store on a fresh database."""

from __future__ import annotations

import pytest

from kept.store.database import Database
from tests.integration.store.driving import Driver


@pytest.fixture
def driver(database: Database) -> Driver:
    return Driver.on(database)
