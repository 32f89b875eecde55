"""Amazon's published models as a judge: it stands on the wire and holds requests and answers against them.

The models are Swagger 2.0, read where they lie (../shared/specs/amazon). Requests are judged more strictly than the
models say: a member or parameter that a model does not name is a mistake of ours.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import httpx2
import orjson
from jsonschema import Draft4Validator, FormatChecker

from tests.fixtures_location import shared_specs

Json = dict[str, Any]
MODELS = ("ordersV0", "orders_2026-01-01", "feeds_2021-06-30", "listingsItems_2021-08-01", "tokens_2021-03-01")
_BESIDE = ("/auth/", "/uploads/")  # a stand-in's own places for what is elsewhere at Amazon's

_FORMATS = FormatChecker()


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


_FORMATS.checks("date-time", raises=ValueError)(_is_moment)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one model."""

    name: str
    method: str
    path: re.Pattern[str]
    raw: Json
    definitions: Json

    def problems_of_request(self, request: httpx2.Request) -> Iterator[str]:
        parameters = {each["name"]: each for each in self.raw["parameters"]}
        for name, value in request.url.params.multi_items():
            if name not in parameters or parameters[name]["in"] != "query":
                yield f"the parameter {name} is unknown"
            else:
                yield from self._problems_of_parameter(parameters[name], value)
        for name, parameter in parameters.items():
            if parameter["in"] == "query" and parameter.get("required") and name not in request.url.params:
                yield f"the parameter {name} is missing"
            if parameter["in"] == "body":
                body = orjson.loads(request.content) if request.content else None
                yield from _problems(body, parameter["schema"], _strict(self.definitions))

    def problems_of_answer(self, response: httpx2.Response, content: bytes) -> Iterator[str]:
        told = self.raw["responses"].get(str(response.status_code))
        if told is None:
            yield f"the status {response.status_code} is not in the model"
        elif "schema" in told and (content or response.status_code != 204):
            try:
                answer = orjson.loads(content)
            except orjson.JSONDecodeError:
                yield "the answer is no JSON"
                return
            yield from _problems(answer, told["schema"], self.definitions)

    def _problems_of_parameter(self, parameter: Json, value: str) -> Iterator[str]:
        if parameter["type"] == "array":
            values = value.split(",")
            if len(values) > parameter.get("maxItems", len(values)):
                yield f"{parameter['name']} has {len(values)} values"
            schema = {"type": "array", "items": parameter["items"]}
            yield from _problems(values, schema, {})
        else:
            schema = {name: parameter[name] for name in ("type", "format", "enum") if name in parameter}
            yield from _problems(int(value) if parameter["type"] == "integer" else value, schema, {})


def _problems(value: object, schema: Json, definitions: Json) -> Iterator[str]:
    validator = Draft4Validator({**schema, "definitions": definitions}, format_checker=_FORMATS)
    if "$ref" in schema:
        validator = Draft4Validator({"allOf": [schema], "definitions": definitions}, format_checker=_FORMATS)
    for error in validator.iter_errors(value):
        yield f"{error.json_path}: {error.message}"


def _strict(definitions: Json) -> Json:
    closed = copy.deepcopy(definitions)
    for schema in closed.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return closed


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the models that we use; skips the test where they are not there."""
    found = []
    for name in MODELS:
        model = json.loads(shared_specs("amazon", f"{name}.json").read_bytes())
        for template, item in model["paths"].items():
            for method, raw in item.items():
                if method == "parameters":
                    continue
                whole = {**raw, "parameters": [_resolved(model, each) for each in raw.get("parameters", [])]}
                path = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template))
                found.append(Operation(raw["operationId"], method.upper(), path, whole, model["definitions"]))
    return tuple(found)


def _resolved(model: Json, parameter: Json) -> Json:
    reference = parameter.get("$ref")
    return model["parameters"][reference.rpartition("/")[2]] if reference else parameter


class Judge(httpx2.AsyncBaseTransport):
    """Passes calls on to a stand-in and notes what of them is not as Amazon's models say. `host` is the API's."""

    def __init__(self, vendor: httpx2.AsyncBaseTransport, host: str) -> None:
        self._vendor = vendor
        self._host = host
        self.judged: list[str] = []  # the operations called
        self.problems: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host != self._host or request.url.path.startswith(_BESIDE):
            return await self._vendor.handle_async_request(request)
        operation = next(
            (
                each
                for each in operations()
                if each.method == request.method
                and each.path.fullmatch(request.url.raw_path.decode().partition("?")[0])
            ),
            None,
        )
        if operation is None:
            self.problems.append(f"{request.method} {request.url.path} is no operation of the models")
            return await self._vendor.handle_async_request(request)
        self.judged.append(operation.name)
        self.problems += [f"{operation.name}: {each}" for each in operation.problems_of_request(request)]
        response = await self._vendor.handle_async_request(request)
        try:
            content = await response.aread()
        finally:
            await response.aclose()
        self.problems += [
            f"{operation.name} answered: {each}" for each in operation.problems_of_answer(response, content)
        ]
        return httpx2.Response(response.status_code, headers=response.headers, stream=httpx2.ByteStream(content))
