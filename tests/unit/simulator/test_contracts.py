"""The published contracts are valid OpenAPI, their examples are valid, and are served."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match

from kept.api import posting, webhooks
from kept.settings import Secret
from kept.simulator.books import ERP_SCHEMA, Book
from kept.simulator.centre import Centre
from kept.simulator.config import ErpConfig
from kept.simulator.erp import Erp
from kept.simulator.faults import FaultPlan
from kept.simulator.inhouse import InHouse
from kept.simulator.party import Party

FOLDER = Path(__file__).parents[3] / "docs" / "contracts"
NAMES = ["erp", "centre", "inhouse"]
Json = dict[str, Any]


def contract(name: str) -> Json:
    loaded: Json = yaml.safe_load((FOLDER / f"{name}.openapi.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("name", NAMES)
def test_the_contract_is_valid_openapi(name: str) -> None:
    validate(contract(name))


def schemas_with_examples(node: object) -> Iterator[tuple[Json, object]]:
    """Every schema that has an example, and the example: in media types and in the schemas themselves."""
    if isinstance(node, list):
        for each in node:
            yield from schemas_with_examples(each)
    if not isinstance(node, dict):
        return
    schema = node.get("schema", node if "type" in node else None)
    if isinstance(schema, dict):
        if "example" in node:
            yield {key: value for key, value in schema.items() if key != "example"}, node["example"]
        for each in (node.get("examples") or {}).values() if isinstance(node.get("examples"), dict) else ():
            if "value" in each:  # else a reference
                yield schema, each["value"]
    for value in node.values():
        yield from schemas_with_examples(value)


@pytest.mark.parametrize("name", NAMES)
def test_every_example_fits_its_schema(name: str) -> None:
    whole = contract(name)
    found = list(schemas_with_examples(whole))
    assert len(found) >= 6
    for schema, example in found:
        Draft202012Validator({**schema, "components": whole["components"]}).validate(example)


@pytest.mark.parametrize("name", NAMES)
async def test_the_simulated_party_serves_every_operation(name: str, tmp_path: Path) -> None:
    book = Book(tmp_path / "book.sqlite", ERP_SCHEMA)
    party = Party(name, book, Secret("t"), FaultPlan(), lambda: 0.0)
    apps: dict[str, Callable[[], Starlette]] = {
        "erp": lambda: Erp(party, ErpConfig(0, "")).app(),
        "centre": lambda: Centre(party, None).app(),  # type: ignore[arg-type] # only its routes are looked at
        "inhouse": lambda: InHouse(party, None).app(),  # type: ignore[arg-type] # only its routes are looked at
    }
    theirs = [item for item in contract(name)["paths"].items() if "servers" not in item[1]]
    assert_served(apps[name]().routes, theirs)
    await book.close()


def test_kept_serves_every_operation_that_the_inhouse_contract_offers() -> None:
    ours = [item for item in contract("inhouse")["paths"].items() if "servers" in item[1]]
    assert len(ours) == 3
    assert_served([*webhooks.router.routes, *posting.router.routes], ours)


def assert_served(routes: Sequence[BaseRoute], paths: Sequence[tuple[str, Json]]) -> None:
    for path, operations in paths:
        for method in set(operations) - {"parameters", "servers"}:
            scope = {"type": "http", "method": method.upper(), "path": path.replace("{", "").replace("}", "")}
            assert any(route.matches(scope)[0] is Match.FULL for route in routes), f"{method} {path}"
