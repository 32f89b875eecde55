"""Where events may be sent: no private machine, whatever the name server says and however the address is written."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import httpx2
import pytest

from kept.connectors.endpoints import Endpoints, NotAllowed, Reach, is_public, signing_secrets
from kept.domain.notifying import Wanted
from kept.settings import EventSettings, SettingsError
from tests.unit.domain.samples import NOW


def reach(*answers: Sequence[str], allowed: Sequence[str] = ()) -> Reach:
    """A reach whose name server gives these answers, one after the other."""
    waiting = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return waiting.pop(0)

    return Reach(EventSettings(allowed_networks=tuple(allowed)), resolve)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2002:7f00:1::1",
    ],
)
async def test_a_private_address_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(NotAllowed, match="private"):
        await reach([address]).address(httpx2.URL("https://in.example.com/"))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
async def test_a_public_address_is_connected_to(address: str) -> None:
    assert await reach([address]).address(httpx2.URL("https://out.example.com/")) == address


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(NotAllowed):
        await reach(["93.184.215.14", "10.0.0.1"]).address(httpx2.URL("https://mixed.example.com/"))


async def test_a_host_that_moves_inside_after_it_was_subscribed_is_refused() -> None:
    moving = reach(["93.184.215.14"], ["127.0.0.1"])
    url = moving.check("https://moving.example.com/")
    assert await moving.address(url) == "93.184.215.14"
    with pytest.raises(NotAllowed, match="private"):
        await moving.address(url)


async def test_an_allowed_network_is_reached_by_http_too_and_nothing_else_is() -> None:
    inside = reach(["10.20.0.7"], ["10.21.0.7"], ["93.184.215.14"], allowed=["10.20.0.0/16"])
    url = inside.check("http://erp.internal/")
    assert await inside.address(url) == "10.20.0.7"
    with pytest.raises(NotAllowed, match="private"):
        await inside.address(url)
    with pytest.raises(NotAllowed, match="use https"):
        await inside.address(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/", "must be https"),
        ("ftp://example.com/", "must be https"),
        ("file:///etc/passwd", "must be https"),
        ("https:///path", "https://HOST"),
        ("example.com", "https://HOST"),
        ("", "https://HOST"),
        ("https://a:b@example.com/", "no user name"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com:99999/", "port 99999"),
        ("https://example.com/" + "x" * 2000, "longer"),
    ],
)
def test_a_wrong_url_is_refused_by_its_text(url: str, said: str) -> None:
    with pytest.raises(NotAllowed, match=said):
        reach().check(url)


async def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(NotAllowed, match="name"):
        await Reach(EventSettings()).address(httpx2.URL("https://" + "x" * 64 + ".example.com/"))


@pytest.mark.parametrize(
    "settings",
    [
        EventSettings(allowed_networks=("10.0.0.1/8",)),
        EventSettings(allowed_networks=("intranet",)),
        EventSettings(timeout_s=0),
        EventSettings(timeout_s=16),
        EventSettings(requests_at_once=0),
    ],
)
def test_impossible_settings_are_named(settings: EventSettings) -> None:
    with pytest.raises(SettingsError, match=r"^events\."):
        Endpoints(settings, lambda: NOW)


def test_secrets_are_references_to_what_can_be_signed_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOD", "whsec_c2VjcmV0")
    monkeypatch.setenv("BAD", "whsec_not base64")
    monkeypatch.setenv("EMPTY", "")
    assert signing_secrets(["env:GOOD"]) == ["whsec_c2VjcmV0"]
    for wrong in ([], ["env:GOOD"] * 4, ["env:BAD"], ["env:EMPTY"], ["env:ABSENT"], ["whsec_c2VjcmV0"]):
        with pytest.raises(SettingsError):
            signing_secrets(wrong)


async def test_a_host_without_an_address_cannot_be_subscribed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOD", "whsec_c2VjcmV0")

    async def nobody(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    endpoints = Endpoints(EventSettings(), lambda: NOW, Reach(EventSettings(), nobody))
    wanted = Wanted("https://nobody.example/", (), (), personal_data=False, secrets=("env:GOOD",))
    with pytest.raises(NotAllowed, match="no address"):
        await endpoints.check(wanted, ())
