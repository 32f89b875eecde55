"""Every answer's form: problems, correlation ids, who may ask, metrics, documentation."""

from __future__ import annotations

import asyncio
import uuid
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

from kept.domain.lifecycle import STEP_OF_STATE, OrderState, PartState
from kept.store.database import Database
from tests.integration.api.normalising import all_messages_ended, normalising
from tests.integration.api.serving import Api, Reply, own_order, shop_order
from tests.servers import execute, value_of

PUBLIC = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")
FOR_OPERATORS = (
    "/v1/orders",
    "/v1/orders/x",
    "/v1/orders/x/timeline",
    "/v1/documents/" + "0" * 64,
    "/v1/stock",
    "/v1/counts",
    "/v1/dead-letters",
    "/v1/dead-letters/1",
)


def assert_problem(answer: Reply, status: int) -> None:
    """An RFC 9457 document with the id that the header has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "correlation_id"}
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["correlation_id"] == answer.headers["x-correlation-id"]
    assert uuid.UUID(body["correlation_id"]).version == 4


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("GET", "/", 404),
        ("GET", "/webhooks/shop", 405),
        ("DELETE", "/v1/orders", 405),
        ("POST", "/webhooks/nobody", 404),
        ("POST", "/webhooks/shop", 401),
        ("POST", "/v1/orders", 401),
        ("GET", "/v1/orders/unknown", 404),
        ("GET", "/v1/orders/unknown/timeline", 404),
        ("GET", "/v1/orders/%00", 422),
        ("GET", "/v1/orders/" + "x" * 201, 422),
        ("GET", "/v1/orders?state=lost", 422),
        ("GET", "/v1/orders?limit=0", 422),
        ("GET", "/v1/orders?limit=501", 422),
        ("GET", "/v1/orders?before=9223372036854775808", 422),
        ("GET", "/v1/orders?text=%00", 422),
        ("GET", "/v1/documents/" + "0" * 64, 404),
        ("GET", "/v1/documents/..%2f..", 404),
        ("GET", "/v1/documents/xyz", 422),
        ("GET", "/v1/dead-letters/0", 422),
        ("GET", "/v1/dead-letters/1e3", 422),
        ("GET", "/v1/dead-letters/" + "9" * 30, 422),
        ("POST", "/v1/dead-letters/replay", 415),
    ],
)
async def test_every_error_is_a_problem_with_its_correlation_id(api: Api, method: str, path: str, status: int) -> None:
    assert_problem(await api.client.request(method, path), status)


async def test_an_unforeseen_error_is_a_problem_that_tells_nothing_of_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> Any:
        raise RuntimeError("the secret is sesame")

    monkeypatch.setattr(type(api.app.state.services.queries), "orders", broken)
    answer = await api.client.get("/v1/orders")
    assert_problem(answer, 500)
    assert "sesame" not in answer.text


async def test_a_method_that_is_not_allowed_names_those_that_are(api: Api) -> None:
    assert (await api.client.get("/webhooks/shop")).headers["allow"] == "POST"


# ------------------------------------------------------------------ correlation


async def test_every_answer_has_an_id_of_its_own_and_none_is_the_callers(api: Api) -> None:
    theirs = {"x-correlation-id": "theirs", "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
    answers = await asyncio.gather(
        *(api.client.get(path, headers=theirs) for path in (*PUBLIC, *FOR_OPERATORS, "/nothing") for _ in range(3))
    )
    ids = [answer.headers.get_list("x-correlation-id") for answer in answers]
    assert all(len(found) == 1 for found in ids)
    assert len({found[0] for found in ids}) == len(answers)
    assert "theirs" not in {found[0] for found in ids}


async def test_requests_on_one_connection_at_the_same_time_keep_their_ids_apart(api: Api, database: Database) -> None:
    bodies = [own_order(number) for number in range(1, 21)]
    answers = await asyncio.gather(
        *(api.webhook("inhouse", api.signed("inhouse", body, f"m-{n}"), body) for n, body in enumerate(bodies))
    )
    for number, answer in enumerate(answers):
        kept = await value_of(database, "SELECT correlation_id FROM inbox WHERE external_key = $1", f"m-{number}")
        assert kept == answer.json()["correlation_id"] == answer.headers["x-correlation-id"]


# ------------------------------------------------------------------ who may ask


async def test_without_a_key_this_machine_may_ask_everything(api: Api) -> None:
    for path in (*PUBLIC, *FOR_OPERATORS):
        assert (await api.client.get(path)).status_code in {200, 404}


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer", "Basic sesame", "Bearer Sesame"])
async def test_with_a_key_nobody_may_ask_without_it(locked_api: Api, authorization: str | None) -> None:
    headers = {"authorization": authorization} if authorization else {}
    for path in FOR_OPERATORS:
        assert_problem(await locked_api.client.get(path, headers=headers), 401)
    replay = await locked_api.client.post(
        "/v1/dead-letters/replay", headers={**headers, "content-type": "application/json"}, content=b"{"
    )
    assert_problem(replay, 401)


async def test_with_a_key_who_has_it_may_ask_and_health_stays_public(locked_api: Api) -> None:
    for path in FOR_OPERATORS:
        answer = await locked_api.client.get(path, headers={"authorization": "Bearer sesame"})
        assert answer.status_code in {200, 404}
    for path in PUBLIC:
        assert (await locked_api.client.get(path)).status_code == 200


async def test_without_a_key_another_machine_may_not_ask(api: Api) -> None:
    """Behind a proxy of this machine, the caller is who the proxy says it is."""
    for path in FOR_OPERATORS:
        answer = await api.client.get(path, headers={"x-forwarded-for": "203.0.113.9"})
        assert_problem(answer, 403)
        assert "KEPT_API_KEY" in answer.json()["detail"]
    assert (await api.client.get("/healthz", headers={"x-forwarded-for": "203.0.113.9"})).status_code == 200


# ------------------------------------------------------------------ status


async def test_orders_are_listed_found_by_every_name_and_paged(api: Api) -> None:
    async with normalising(api):
        for number in range(1, 6):
            assert (await api.sell(shop_order(number))).status_code == 202
        await all_messages_ended(api)
    page = (await api.client.get("/v1/orders?limit=2")).json()
    assert len(page["orders"]) == 2
    seen = [order["reference"] for order in page["orders"]]
    while page["next"] is not None:
        page = (await api.client.get(f"/v1/orders?limit=2&before={page['next']}")).json()
        seen += [order["reference"] for order in page["orders"]]
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)
    order = (await api.client.get(f"/v1/orders/{seen[0]}")).json()
    assert (order["state"], order["account"]) == ("received", "shop")
    assert [delivery["step"] for delivery in order["next"]] == ["validate"]
    for name in (order["external_id"], order["number"].replace("#", "%23")):
        assert (await api.client.get(f"/v1/orders/{name}")).json()["reference"] == seen[0]
    timeline = (await api.client.get(f"/v1/orders/{seen[0]}/timeline")).json()["timeline"]
    assert [entry["entry"] for entry in timeline] == ["message", "fact"]
    assert {entry["correlation_id"] for entry in timeline} == {order["correlation_id"]}
    assert len((await api.client.get("/v1/orders?state=received&account=shop")).json()["orders"]) == 5
    assert (await api.client.get("/v1/orders?state=complete")).json() == {"orders": [], "next": None}


async def test_a_document_is_served_as_what_it_is_and_never_sniffed(api: Api, database: Database) -> None:
    sha = "ab" * 32
    await execute(
        database, "INSERT INTO documents VALUES ($1, 1, 1, 'label', 'application/pdf', '%PDF'::bytea, now())", sha
    )
    answer = await api.client.get(f"/v1/documents/{sha}")
    assert (answer.status_code, answer.content) == (200, b"%PDF")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"


# ------------------------------------------------------------------ metrics and documentation


async def test_metrics_parse_and_name_every_state_and_step_from_the_start(api: Api) -> None:
    async def scrape() -> dict[str, dict[str, float]]:
        answer = await api.client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return {
            family.name: {"".join(sample.labels.values()): sample.value for sample in family.samples}
            for family in text_string_to_metric_families(answer.text)
        }

    empty = await scrape()
    assert set(empty["kept_orders"]) == {state.value for state in OrderState}
    assert set(empty["kept_parts"]) == {state.value for state in PartState}
    assert set(empty["kept_deliveries"]) == set(STEP_OF_STATE.values())
    assert all(value == 0 for family in empty.values() for value in family.values())
    assert (await api.sell(shop_order())).status_code == 202
    assert (await api.client.post("/webhooks/shop")).status_code == 401
    after = await scrape()
    assert after["kept_messages"] == {"": 1.0}
    assert after["kept_intake_refused"] == {"": 1.0}
    assert after["kept_deliveries"]["normalise"] == 1.0


async def test_openapi_is_valid_and_lists_every_route(api: Api) -> None:
    schema = (await api.client.get("/openapi.json")).json()
    validate(schema)
    listed = {(method.upper(), path) for path, methods in schema["paths"].items() for method in methods}
    expected = {
        ("POST", "/webhooks/{account}"),
        ("POST", "/v1/orders"),
        ("GET", "/v1/orders"),
        ("GET", "/v1/orders/{name}"),
        ("GET", "/v1/orders/{name}/timeline"),
        ("GET", "/v1/documents/{sha256}"),
        ("GET", "/v1/stock"),
        ("GET", "/v1/counts"),
        ("GET", "/v1/dead-letters"),
        ("GET", "/v1/dead-letters/{letter_id}"),
        ("POST", "/v1/dead-letters/replay"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
    }
    assert expected <= listed
    replay = schema["paths"]["/v1/dead-letters/replay"]["post"]["requestBody"]
    assert set(replay["content"]["application/json"]["schema"]["properties"]) == {"ids", "step", "code", "dry_run"}


class _Addresses(HTMLParser):
    """What a page loads or links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in {"href", "src", "action", "srcset", "data"}]


async def test_the_documentation_page_loads_nothing_and_shows_every_route(api: Api) -> None:
    answer = await api.client.get("/docs")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    page = _Addresses()
    page.feed(answer.text)
    assert page.found == ["/openapi.json"]
    assert not page.tags & {"script", "img", "iframe", "link", "object", "embed"}
    assert "://" not in answer.text
    for path in (await api.client.get("/openapi.json")).json()["paths"]:
        assert path in answer.text
