"""Calls of Odoo's models: by JSON-2 (version 19 and later), or by JSON-RPC (which goes away with version 22)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from kept.connectors.answers import UnexpectedAnswer, masked
from kept.connectors.erps.odoo.codes import meaning_of, overtaken
from kept.connectors.erps.odoo.options import Options
from kept.connectors.erps.odoo.schemas import Loaded
from kept.connectors.http import HttpTarget, Request
from kept.connectors.meanings import fault_of
from kept.ports import PermanentFault, TemporaryFault
from kept.settings import Secret

T = TypeVar("T")
Json = dict[str, Any]

RECORDS_MAX = 1000  # far above what a search of ours finds; what is cut off there would be missing, so it is a fault
_TRIES = 8  # of `load`, while others are at the same records
_PAUSE_S = 0.05
# `load` makes what is not there yet under its external id, and leaves alone what is (odoo/orm/models.py, `load`).
_ONCE = {"mode": "update", "noupdate": True}


class Rpc(Protocol):
    """One call of a method, with named arguments."""

    async def call(
        self,
        model: str,
        method: str,
        expected: Callable[[Any], T],
        arguments: Mapping[str, Any],
        *,
        ids: Sequence[int] = (),
        context: Mapping[str, Any] | None = None,
        key: str | None = None,
        reads_only: bool = False,
    ) -> T:
        """Raises the faults of `HttpTarget.call`."""
        ...


class Json2:
    """`POST /json/2/<model>/<method>`."""

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def call(
        self,
        model: str,
        method: str,
        expected: Callable[[Any], T],
        arguments: Mapping[str, Any],
        *,
        ids: Sequence[int] = (),
        context: Mapping[str, Any] | None = None,
        key: str | None = None,
        reads_only: bool = False,
    ) -> T:
        body = {**arguments} | ({"ids": list(ids)} if ids else {}) | ({"context": context} if context else {})
        path = f"/json/2/{model}/{method}"
        request = Request("POST", path, json=body, key=key, name=f"{model}/{method}", reads_only=reads_only)
        return await self._target.call(request, expected)


class JsonRpc:
    """`POST /jsonrpc`, service "object", method "execute_kw". An error comes with status 200."""

    def __init__(self, target: HttpTarget, options: Options, password: Secret) -> None:
        self._target = target
        self._options = options
        self._password = password
        self._user_id = 0

    async def call(
        self,
        model: str,
        method: str,
        expected: Callable[[Any], T],
        arguments: Mapping[str, Any],
        *,
        ids: Sequence[int] = (),
        context: Mapping[str, Any] | None = None,
        key: str | None = None,
        reads_only: bool = False,
    ) -> T:
        named = {**arguments} | ({"context": context} if context else {})
        who = [self._options.database, await self._user(), self._password.reveal()]
        args = [*who, model, method, [list(ids)] if ids else [], named]
        return await self._ask("object", "execute_kw", args, expected, f"{model}/{method}", key, reads_only=reads_only)

    async def _user(self) -> int:
        if not self._user_id:
            args = [self._options.database, self._options.login, self._password.reveal(), {}]
            found = await self._ask("common", "authenticate", args, lambda answer: answer, "authenticate", None)
            if not isinstance(found, int) or not found:
                raise PermanentFault(f"Odoo knows no user {self._options.login} with this key", code="login")
            self._user_id = found
        return self._user_id

    async def _ask(
        self,
        service: str,
        method: str,
        args: Sequence[Any],
        expected: Callable[[Any], T],
        name: str,
        key: str | None,
        *,
        reads_only: bool = True,
    ) -> T:
        params = {"service": service, "method": method, "args": args}
        body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}
        request = Request("POST", "/jsonrpc", json=body, key=key, name=name, reads_only=reads_only)
        return await self._target.call(request, partial(_result, request=request, expected=expected))


class _ErrorData(msgspec.Struct):
    name: str = ""
    message: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    data: _ErrorData = msgspec.field(default_factory=_ErrorData)


class _Reply(msgspec.Struct):
    result: Any = None
    error: _Error | None = None


def _result(answer: Any, request: Request, expected: Callable[[Any], T]) -> T:
    reply = msgspec.convert(answer, _Reply)
    if reply.error is None:
        return expected(reply.result)
    name = reply.error.data.name
    code = name.rpartition(".")[2][:64] or "error"
    text = f"Odoo refused {request.operation}: {code}: {masked(reply.error.data.message or reply.error.message)}"
    raise fault_of(meaning_of(name), text, code, changes=request.changes)


# ------------------------------------------------------------------ what is asked in either way


async def search(
    rpc: Rpc, model: str, domain: Sequence[object], fields: Sequence[str], kind: type[T], *, archived: bool = False
) -> list[T]:
    """All records of a search. Raises UnexpectedAnswer for more than RECORDS_MAX."""

    def read(answer: Any) -> list[T]:
        found = msgspec.convert(answer, list[kind])  # type: ignore[valid-type]  # a type of the caller's
        if len(found) > RECORDS_MAX:
            raise UnexpectedAnswer(f"more than {RECORDS_MAX} records of {model}")
        return found

    arguments = {"domain": domain, "fields": list(fields), "limit": RECORDS_MAX + 1, "order": "id"}
    context = {"active_test": False} if archived else None
    return await rpc.call(model, "search_read", read, arguments, context=context, reads_only=True)


async def load(rpc: Rpc, model: str, fields: Sequence[str], rows: Sequence[Sequence[str]], key: str) -> list[int]:
    """Make the records under their external ids, each once however often and by however many.

    Raises TemporaryFault when others were at it each time, PermanentFault for what Odoo will not make.
    """
    arguments = {"fields": list(fields), "data": [list(row) for row in rows]}
    for _ in range(_TRIES):
        loaded = await rpc.call(model, "load", _loaded, arguments, context=_ONCE, key=key)
        if loaded.ids:
            return loaded.ids
        words = masked("; ".join(str(each.message) for each in loaded.messages))
        if not overtaken(words):
            raise PermanentFault(f"Odoo makes no {model}: {words}", code="not_loaded")
        await asyncio.sleep(_PAUSE_S)
    raise TemporaryFault(f"others were making the same {model} {_TRIES} times")


def _loaded(answer: Any) -> Loaded:
    return msgspec.convert(answer, Loaded)


def whatever(answer: Any) -> Any:
    """For calls whose 200 says all."""
    return answer
