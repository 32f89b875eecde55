"""What a clerk at Tryton's own client sees and does: the tests' second opinion, apart from the connector."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import httpx2

from tests.erps.tryton_server import PASSWORD, USER, TrytonServer


class Desk:
    """Signed in as Kept's user."""

    def __init__(self, server: TrytonServer) -> None:
        self.server = server
        user_id, session, _ = self._ask("common.db.login", [USER, {"password": PASSWORD}], {})
        signed = base64.b64encode(f"{USER}:{user_id}:{session}".encode()).decode()
        self._headers = {"authorization": f"Session {signed}"}
        preferences = self.call("res.user.get_preferences", True)
        self._context = {"company": preferences["company"], "language": "en"}

    _context: dict[str, Any] = {}  # noqa: RUF012 - what holds before somebody signed in
    _headers: dict[str, str] = {}  # noqa: RUF012 - the same

    def call(self, method: str, *params: object) -> Any:
        return self._ask(f"model.{method}", [*params, self._context], self._headers)

    def find(self, model: str, domain: Sequence[object], *fields: str) -> list[dict[str, Any]]:
        """Records in the order in which they were made."""
        found: list[dict[str, Any]] = self.call(
            f"{model}.search_read", domain, 0, None, [["id", "ASC"]], ["id", *fields]
        )
        return found

    def sales(self, reference: str, *fields: str) -> list[dict[str, Any]]:
        return self.find("sale.sale", [["reference", "=", reference]], *fields)

    def _ask(self, method: str, params: list[object], headers: dict[str, str]) -> Any:
        body = {"id": 1, "method": method, "params": params}
        answer = httpx2.post(
            f"{self.server.url}/rpc/",
            json=body,
            headers=headers | {"accept-encoding": "gzip"},
            timeout=30,
            trust_env=False,
        )
        assert answer.status_code == 200, f"{method}: {answer.status_code} {answer.text[:300]}"
        said = answer.json()
        assert "error" not in said, f"{method}: {said['error']}"
        return said["result"]
