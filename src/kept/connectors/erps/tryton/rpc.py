"""Tryton's JSON-RPC: one call, its answer, and the fault that an error means.

Whatever goes wrong inside comes as 200 with `error`: the exception's name and its words. Tryton's transaction is
rolled back then, but a process that it started after its commit may have failed on its own, so an exception that the
table does not know leaves us without telling. A database that gives up comes as 503, one that takes too long as 504.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from kept.connectors.answers import UnexpectedAnswer, masked, same
from kept.connectors.erps.tryton.codes import ERRORS
from kept.connectors.erps.tryton.schemas import Preferences, Reply
from kept.connectors.http import HttpTarget, Request
from kept.connectors.meanings import Meaning, fault_of
from kept.ports import Fault, PermanentFault, TemporaryFault

T = TypeVar("T")
Json = dict[str, Any]

RPC_PATH = "/rpc/"
_CALL = 1  # one call an HTTP request: its number only has to come back
_OF_PERSONS = "model.party."
# Far above what any of our searches finds; what is cut off there would be missing, so it is a fault.
RECORDS_MAX = 1000


class Overtaken(TemporaryFault):
    """Somebody else has changed the record since we read it: look again."""


class Refusal(PermanentFault):
    """Tryton's rules refuse it as the record stands now: by its content, or because somebody else was faster."""


def envelope(method: str, params: Sequence[object]) -> Json:
    return {"id": _CALL, "method": method, "params": params}


def result_of(answer: Any, target: str, request: Request) -> Any:
    """The result. Raises the fault that an error means, UnexpectedAnswer or msgspec.ValidationError."""
    reply = msgspec.convert(answer, Reply)
    same("id", _CALL, reply.id)
    if reply.error is not None:
        raise fault_for(reply.error, target, request)
    return reply.result


def fault_for(error: list[Any], target: str, request: Request) -> Fault:
    name = error[0] if error and isinstance(error[0], str) else ""
    meaning = ERRORS.get(name, Meaning.UNKNOWN)
    told = error[1] if len(error) > 1 and meaning is not Meaning.UNKNOWN else name  # else it is a traceback
    words = [part for part in (told if isinstance(told, list) else [told]) if isinstance(part, str) and part]
    kind = name if name in ERRORS else "an error of its own"
    said = masked(" ".join(words))
    if request.operation.startswith(_OF_PERSONS):
        said = "its words may name a person, and are in Tryton's log"
    text = f"{target} refused {request.operation}: {kind}: {said}"
    if meaning is Meaning.TEMPORARY:
        return Overtaken(text)
    if meaning is Meaning.PERMANENT:
        return Refusal(text, code=name)
    return fault_of(meaning, text, name if name in ERRORS else "", changes=request.changes)


class Rpc:
    """Calls in the name of the company that our user works for. Raises the faults of `HttpTarget.call`."""

    def __init__(self, target: HttpTarget) -> None:
        self._target = target
        self._context: Json | None = None

    @property
    def name(self) -> str:
        return self._target.name

    async def search(
        self, model: str, domain: Sequence[object], fields: Sequence[str], kind: type[T], **context: object
    ) -> list[T]:
        """All records of `domain`, in the order in which they were made."""
        params = [domain, 0, RECORDS_MAX, [["id", "ASC"]], ["id", *fields]]
        found: list[T] = await self._call(f"model.{model}.search_read", params, list[kind], context)  # type: ignore[valid-type]  # built here
        if len(found) == RECORDS_MAX:
            raise PermanentFault(f"{self.name} has {RECORDS_MAX} or more {model} for one search", code="too_many")
        return found

    async def search_all(
        self, model: str, domain: Sequence[object], fields: Sequence[str], kind: type[T], **context: object
    ) -> list[T]:
        """As `search`, in as many calls as it takes. `kind` has an `id`."""
        found: list[T] = []
        last = 0
        while True:
            params = [["AND", ["id", ">", last], domain], 0, RECORDS_MAX, [["id", "ASC"]], ["id", *fields]]
            page: list[T] = await self._call(f"model.{model}.search_read", params, list[kind], context)  # type: ignore[valid-type]  # built here
            found += page
            if len(page) < RECORDS_MAX:
                return found
            last = page[-1].id  # type: ignore[attr-defined]  # as the text above says

    async def read(self, model: str, record: int, fields: Sequence[str], kind: type[T]) -> T:
        """One record that is known to be there. Raises PermanentFault if it is not."""
        (found,) = await self._call(f"model.{model}.read", [[record], ["id", *fields]], tuple[kind], {})  # type: ignore[valid-type]  # built here
        return found  # type: ignore[no-any-return]  # of `kind`, by the conversion

    async def create(self, model: str, values: Mapping[str, object], key: str | None) -> int:
        """The id of the one record that was made."""
        (made,) = await self._call(f"model.{model}.create", [[values]], tuple[int], {}, changes=True, key=key)
        return int(made)

    async def write(
        self, model: str, pairs: Sequence[object], key: str | None, *, seen: Mapping[str, str] | None = None
    ) -> None:
        """Change records: [ids, values, ids, values ...]. Raises Overtaken if one has changed since it was `seen`:
        "model,id" -> its time stamp.
        """
        context = {"_timestamp": seen} if seen else {}
        await self._call(f"model.{model}.write", pairs, Any, context, changes=True, key=key)

    async def push(self, model: str, button: str, records: Sequence[int], key: str | None) -> None:
        """Push a button, as a person would."""
        await self._call(f"model.{model}.{button}", [records], Any, {}, changes=True, key=key)

    async def answer_wizard(self, wizard: str, model: str, record: int, data: Json, state: str, key: str) -> None:
        """Open a wizard on a record, give it its answers, and close it."""
        context = {"active_model": model, "active_id": record, "active_ids": [record]}
        session, *_ = await self._call(
            f"wizard.{wizard}.create", [], tuple[int, str, str], context, changes=True, key=key
        )
        await self._call(f"wizard.{wizard}.execute", [session, data, state], Any, context, changes=True, key=key)

    async def company(self) -> int:
        """The company that our user works for."""
        return int((await self._in_company())["company"])

    async def _in_company(self) -> Json:
        if self._context is None:
            method = "model.res.user.get_preferences"
            preferences = await self._ask(method, [True, {}], Preferences, changes=False, key=None)
            if preferences.company is None:
                raise PermanentFault(f"{self.name}: our user has no company; give it one there", code="no_company")
            self._context = {"company": preferences.company, "language": "en"}
        return self._context

    async def _call(
        self,
        method: str,
        params: Sequence[object],
        kind: Any,
        context: Mapping[str, object],
        *,
        changes: bool = False,
        key: str | None = None,
    ) -> Any:
        in_company = await self._in_company()
        return await self._ask(method, [*params, {**in_company, **context}], kind, changes=changes, key=key)

    async def _ask(self, method: str, params: Sequence[object], kind: Any, *, changes: bool, key: str | None) -> Any:
        request = Request("POST", RPC_PATH, json=envelope(method, params), key=key, name=method, reads_only=not changes)

        def read(answer: Any) -> Any:
            result = result_of(answer, self.name, request)
            return result if kind is Any else _converted(result, kind)

        return await self._target.call(request, read)


def _converted(result: Any, kind: Any) -> Any:
    """The result as `kind`; a path in it starts at `result`, as in the answer."""
    try:
        return msgspec.convert(result, kind)
    except msgspec.ValidationError as exc:
        raise UnexpectedAnswer(str(exc).replace("`$", "`$.result")) from exc
