"""Events over https: the certificate must be for the host's name, though the connection is made to an address."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from kept.connectors import endpoints as module
from kept.connectors.endpoints import Endpoints, Reach
from kept.domain.notifying import Sent
from kept.processes.assembly import utc_now
from tests.integration.events.conftest import LOOPBACK

OPENSSL = shutil.which("openssl")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for events.test, and its key."""
    if OPENSSL is None:
        pytest.skip("makes its certificate with openssl, which this machine lacks")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    asked = f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=events.test -keyout {key} -out {certificate}"
    subprocess.run(
        [OPENSSL, *asked.split(), "-addext", "subjectAltName=DNS:events.test"], check=True, capture_output=True
    )
    return certificate, key


async def test_the_certificate_is_judged_by_the_name_and_not_by_the_address(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(*certificate)
    monkeypatch.setattr(module, "_tls", lambda: ssl.create_default_context(cafile=str(certificate[0])))
    monkeypatch.setenv("KEPT_TEST_SECRET", "whsec_c2VjcmV0")
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def here(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async def sent_to(host: str) -> Sent:
        opened = Endpoints(LOOPBACK, utc_now, Reach(LOOPBACK, here))
        async with opened.open(f"https://{host}:{port}/in", ["env:KEPT_TEST_SECRET"]) as endpoint:
            return await endpoint.send("evt_1", b"{}")

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_side) as server:
        port = server.sockets[0].getsockname()[1]
        good, bad = await sent_to("events.test"), await sent_to("other.test")
    assert (good.status, good.error) == (204, "")
    assert f"host: events.test:{port}".encode() in heads[0].lower()
    assert (bad.status, bad.error) == (None, "the endpoint's certificate can't be trusted for its host's name")
    assert len(heads) == 1
