"""Shopify's published Admin schema."""

from __future__ import annotations

import gzip
import json
from functools import cache

from graphql import GraphQLSchema, build_client_schema

from tests.fixtures_location import shared_specs


@cache
def admin_schema() -> GraphQLSchema:
    """Version 2026-10; skips the test where the specifications are not there."""
    raw = json.loads(gzip.decompress(shared_specs("shopify", "admin_2026-10.json.gz").read_bytes()))
    # Shopify deprecates some fields of objects but not of their interfaces, which graphql-core takes for a
    # fault of the schema; what we validate are our operations.
    return build_client_schema(raw.get("data", raw), assume_valid=True)
