"""A seller at the stand-in, and Walmart's published schemas of what it is asked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx2
from jsonschema import Draft4Validator

from kept.connectors.channels.walmart import build
from kept.connectors.http import HttpTargets
from kept.ports import Channel
from kept.settings import ChannelSettings
from tests.conformance.walmart import FakeWalmart
from tests.conformance.wire import NO_LIMITS
from tests.fixtures_location import shared_specs

Json = dict[str, Any]
Handle = Callable[[httpx2.Request], httpx2.Response]


def seller(vendor: FakeWalmart, handle: Handle | None = None, **settings: Any) -> Channel:
    """The channel of a seller at `vendor`. The environment has its secret as WALMART_SECRET."""
    targets = HttpTargets(transport=httpx2.MockTransport(handle or vendor.handle), shared=NO_LIMITS)
    known = {"client_id": "app", "client_secret": "env:WALMART_SECRET", "base_url": "http://walmart.test"}
    return build("market", ChannelSettings("walmart", **(known | settings)), targets)


def problems(model: str, schema: str, body: object) -> list[str]:
    """What Walmart's schema says against a body; members that it does not name are mistakes of ours too."""
    components = schemas(model)
    root = {**components[schema], "components": {"schemas": components}}
    return [error.message for error in Draft4Validator(root).iter_errors(body)]


@cache
def schemas(model: str) -> Json:
    """The schemas of a published model, with what is wrong in it mended.

    The copy names RefundLinesType for the lines of all requests, and OrderLineStatusesType for those of a shipment,
    though the right ones stand beside them, unused.
    """
    parsed = json.loads(shared_specs("walmart", f"{model}.json").read_text(encoding="utf-8"))
    found: Json = copy.deepcopy(parsed["components"]["schemas"])
    if model == "us_orders":
        found["OrderShipmentRecord"]["properties"]["orderLines"] = _reference("ShippingLinesType")
        found["ShippingLineType"]["properties"]["orderLineStatuses"] = _reference("ShipLineStatusesType")
    for schema in found.values():
        if schema.get("type") == "object" and "properties" in schema:
            schema["additionalProperties"] = False
    return found


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
