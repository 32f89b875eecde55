"""Who did what: one line for every change that a person made, in the transaction that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import orjson


async def audit(
    connection: asyncpg.Connection, now: datetime, actor: str, action: str, detail: Mapping[str, Any]
) -> None:
    await connection.execute(
        "INSERT INTO audit_log (at, actor, action, detail) VALUES ($1, $2, $3, $4::jsonb)",
        now,
        actor,
        action,
        orjson.dumps(detail).decode(),
    )
