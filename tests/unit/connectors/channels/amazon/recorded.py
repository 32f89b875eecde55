"""Amazon's recorded payloads, the orders put together of them, and the form of a golden order."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from kept.connectors.channels.amazon.mapping import messages_of_file, normalise
from kept.connectors.wire import rfc3339
from kept.domain.order import OrderContent
from kept.ports import Incoming
from tests.fixtures_location import shared_fixtures

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
GOLDEN = Path(__file__).resolve().parents[4] / "golden" / "amazon"
Json = dict[str, Any]


def recorded(name: str) -> bytes:
    """A file under fixtures/amazon; skips the test without it."""
    return shared_fixtures("amazon", *name.split("/")).read_bytes()


def answer(name: str) -> Json:
    """The recorded answer, without the request that Amazon's own examples put before it."""
    parsed: Json = json.loads(recorded(name))
    return dict(parsed.get("response", parsed))


def message(body: object, **headers: str) -> Incoming:
    return Incoming({name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode())


def read(body: object) -> OrderContent:
    """The order that a body says, as it would be read from the inbox."""
    content = normalise("amazon", message(body), NOW)
    assert content is not None
    return content


def of_file(name: str) -> list[Incoming]:
    return messages_of_file(recorded(name))


def moved(body: Json, before: str, after: str) -> Json:
    """A payload with one text in place of another, wherever it stands."""
    moved_body: Json = json.loads(json.dumps(body).replace(before, after))
    return moved_body


def golden_form(value: object) -> Any:
    """JSON of a canonical value: fields at their default are left out, so that a new field changes no file."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: golden_form(getattr(value, field.name))
            for field in fields(value)
            if field.default is MISSING or getattr(value, field.name) != field.default
        }
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [golden_form(each) for each in value]
    return value


def golden(name: str) -> Json:
    parsed: Json = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return parsed
