"""A person takes a centre out of routing, and puts it back, with a reason and in the audit log."""

from __future__ import annotations

from pathlib import Path

from kept.store.database import Database
from tests.integration.api.serving import Api
from tests.integration.kept_command import Kept
from tests.servers import fetch


async def test_a_centre_is_paused_once_with_its_reason_and_resumed(api: Api, database: Database) -> None:
    shown = (await api.client.get("/v1/centres")).json()["centres"]
    names = sorted(api.settings.business.centres)
    assert shown == [{"centre": name, "paused": None} for name in names]
    centre = names[0]
    for reason, changed in (("flood", True), ("fire", False)):
        answer = await api.client.post(f"/v1/centres/{centre}/pause", json={"reason": reason})
        assert (answer.status_code, answer.json()["changed"]) == (200, changed)
    paused = (await api.client.get("/v1/centres")).json()["centres"][0]["paused"]
    assert (paused["reason"], paused["by"]) == ("flood", "local")
    for changed in (True, False):
        answer = await api.client.post(f"/v1/centres/{centre}/resume", json={})
        assert answer.json() == {"centre": centre, "paused": False, "changed": changed}
    rows = await fetch(database, "SELECT action, detail->>'centre' AS centre FROM audit_log ORDER BY at")
    assert [(row["action"], row["centre"]) for row in rows] == [("centres.pause", centre), ("centres.resume", centre)]


async def test_what_can_not_be_paused_says_why(api: Api) -> None:
    centre = next(iter(api.settings.business.centres))
    assert (await api.client.post("/v1/centres/nowhere/pause", json={"reason": "x"})).status_code == 404
    assert (await api.client.post("/v1/centres/nowhere/resume", json={})).status_code == 404
    assert (await api.client.post(f"/v1/centres/{centre}/pause", json={"reason": ""})).status_code == 422
    assert (await api.client.post(f"/v1/centres/{centre}/pause", json={})).status_code == 422
    assert (await api.client.post(f"/v1/centres/{centre}/resume", data={"a": "b"})).status_code == 415


_TOML = """
[centres.east]
type = "rest"
timezone = "America/New_York"
cutoff = "17:00"
services = []
address = { name = "East", line1 = "1 Dock Rd", city = "Newark", postal_code = "07102", country = "US" }
"""


async def test_the_command_does_the_same(kept: Kept, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "kept.toml"
    path.write_text(_TOML, encoding="utf-8")
    config = ("--config", str(path))
    done = await kept("centres", "pause", "east", "--reason", "flood", *config)
    assert (done.code, done.json()["changed"]) == (0, True), done.err
    (listed,) = (await kept("centres", "list", "--json", *config)).json()
    assert (listed["centre"], listed["reason"]) == ("east", "flood")
    assert (await kept("centres", "resume", "east", *config)).json()["changed"]
    nowhere = await kept("centres", "pause", "nowhere", "--reason", "x", *config)
    assert nowhere.code != 0
    assert "no centre 'nowhere'; it names east" in nowhere.err
    (row,) = await fetch(database, "SELECT count(*) AS lines FROM audit_log")
    assert row["lines"] == 2
