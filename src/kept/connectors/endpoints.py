"""Sending events to subscribers' endpoints: signed by Standard Webhooks, and only to where sending is allowed.

An endpoint's address is a user's, so it may name any machine that we can reach. Every address that its name has is
checked before each connection, and the connection is made to the address that was checked, so that a name server
that answers otherwise the second time gains nothing. No redirect is followed and no proxy is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

import httpx2

from kept.connectors.answers import retry_after_s
from kept.connectors.signatures import sign_standard
from kept.domain.notifying import Sent, Wanted
from kept.domain.public_events import MEDIA_TYPE, ledger_types
from kept.settings import EventSettings, SettingsError, resolve_secret

URL_CHARS_MAX = 2_000
SECRETS_MAX = 3  # two in rotation, and one more for a rotation begun before the last one ended
_TIMEOUT_MAX_S = 15.0  # the lease of a round allows no more
_CONNECT_MAX_S = 3.0
_LOOK_UPS_AT_ONCE = 32
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: leads to the IPv4 address in its last 32 bits

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# The addresses of a host; OSError if it has none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class NotAllowed(Exception):
    """An address that events must not be sent to. The text says why, and what to do."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """The host's addresses, by the system's resolver."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_resolvers(), look_up)
    return [str(each[4][0]) for each in found]


@cache
def _resolvers() -> ThreadPoolExecutor:
    """Threads of their own: the loop has so few that some name servers that don't answer would stop all look-ups."""
    return ThreadPoolExecutor(_LOOK_UPS_AT_ONCE, "resolve")


class Reach:
    """Where events may be sent: the public internet by https, and the networks that the settings allow."""

    def __init__(self, settings: EventSettings, resolve: Resolve = resolve) -> None:
        try:
            self._allowed = [ipaddress.ip_network(network) for network in settings.allowed_networks]
        except ValueError as error:
            raise SettingsError(f"events.allowed_networks: {error}") from error
        self._resolve = resolve

    def check(self, url: str) -> httpx2.URL:
        """The address as far as it can be judged by its text. Raises NotAllowed."""
        if len(url) > URL_CHARS_MAX:
            raise NotAllowed(f"the url is longer than {URL_CHARS_MAX} characters")
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise NotAllowed("the url can't be read") from error
        if parsed.scheme not in {"https", "http"} or not parsed.host:
            raise NotAllowed("the url must be https://HOST/...")
        if parsed.port is not None and not 0 < parsed.port < 65_536:
            raise NotAllowed(f"the url's port {parsed.port} is none")
        if parsed.userinfo or parsed.fragment:
            raise NotAllowed("the url must have no user name, password or fragment; events are signed instead")
        if parsed.scheme == "http" and not self._allowed:
            raise NotAllowed("the url must be https; http is for hosts in events.allowed_networks of kept.toml")
        return parsed

    async def address(self, url: httpx2.URL) -> str:
        """The address to connect to, after looking at all that the host has. Raises NotAllowed and OSError."""
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            texts = await self._resolve(url.raw_host.decode("ascii"), port)
        except UnicodeError as error:
            raise NotAllowed("the host's name is none: a part of it is empty or longer than 63 characters") from error
        found = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
        if not found:
            raise NotAllowed("the host has no address")
        for each in found:
            inside = any(each in network for network in self._allowed if network.version == each.version)
            if not inside and not is_public(each):
                raise NotAllowed("the host has a private address; allow its network in events.allowed_networks")
            if not inside and url.scheme == "http":
                raise NotAllowed("http is allowed only to events.allowed_networks; use https")
        return str(found[0])


def is_public(address: IpAddress) -> bool:
    """Whether an address is on the public internet, and so is any IPv4 address that it stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint while a round lasts: where its host was found to be, and its connections."""

    url: httpx2.URL  # with the address in place of the host's name
    host: str  # as the Host header has it
    name: str  # that the certificate must be for
    secrets: Sequence[str]
    client: httpx2.AsyncClient
    timeout_s: float
    clock: Callable[[], datetime]

    async def send(self, identity: str, body: bytes) -> Sent:
        """One try of one event. Never raises for what the endpoint does."""
        begun = time.monotonic()
        status: int | None = None
        headers: Mapping[str, str] = {}
        try:
            async with asyncio.timeout(self.timeout_s):
                status, headers = await self._post(identity, body)
            error = "" if 200 <= status < 300 else _refusal(status)
        except (TimeoutError, httpx2.TimeoutException):
            error = f"no answer within {self.timeout_s:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError) as fault:
            error = _broken(fault)
        asked_s = retry_after_s(headers.get("retry-after", ""), self.clock()) if status in {429, 503} else None
        return Sent(status, int((time.monotonic() - begun) * 1000), error, asked_s)

    async def _post(self, identity: str, body: bytes) -> tuple[int, Mapping[str, str]]:
        timestamp = int(self.clock().timestamp())
        signatures = [sign_standard(secret, identity, timestamp, body) for secret in self.secrets]
        request = self.client.build_request(
            "POST",
            self.url,
            content=body,
            headers={
                "host": self.host,
                "content-type": MEDIA_TYPE,
                "webhook-id": identity,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": " ".join(signatures),
            },
            extensions={"sni_hostname": self.name},
        )
        response = await self.client.send(request, stream=True)
        # The status is all that counts; a body may have no end.
        await response.aclose()
        return response.status_code, response.headers


def _broken(fault: BaseException) -> str:
    """What was wrong with the connection. Only by its kind: a text may quote what the endpoint sent."""
    cause: BaseException | None = fault
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the endpoint's certificate can't be trusted for its host's name"
        cause = cause.__cause__ or cause.__context__
    return f"no connection, or no HTTP on it: {type(fault).__name__}"


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed; subscribe with the final url"
    return f"answered {status}"


class Endpoints:
    """Opens endpoints."""

    def __init__(self, settings: EventSettings, clock: Callable[[], datetime], reach: Reach | None = None) -> None:
        if not 0 < settings.timeout_s <= _TIMEOUT_MAX_S:
            raise SettingsError(f"events.timeout_s is {settings.timeout_s:g}; it must be above 0, at most 15")
        if settings.requests_at_once < 1:
            raise SettingsError(f"events.requests_at_once is {settings.requests_at_once}; it must be at least 1")
        self.requests_at_once = settings.requests_at_once
        self.reach = reach or Reach(settings)
        self._timeout_s = settings.timeout_s
        self._clock = clock

    async def check(self, wanted: Wanted, accounts: Collection[str]) -> None:
        """Whether a subscription can work, as far as can be told beforehand. Raises NotAllowed with what is wrong.

        `accounts` are those that the settings name; none: any.
        """
        try:
            ledger_types(wanted.types)
        except KeyError as error:
            raise NotAllowed(f"no event has the type {error.args[0][:100]!r}; see GET /v1/event-types") from error
        unknown = sorted(set(wanted.accounts) - set(accounts)) if accounts else []
        if unknown:
            raise NotAllowed(f"kept.toml has no channel {unknown[0][:100]!r}; it has {', '.join(sorted(accounts))}")
        try:
            async with self.open(wanted.url, wanted.secrets):
                pass
        except SettingsError as error:
            raise NotAllowed(str(error)) from error
        except (TimeoutError, OSError) as error:
            raise NotAllowed("the host of the url has no address, or its name server does not answer") from error

    @contextlib.asynccontextmanager
    async def open(self, url: str, secrets: Sequence[str]) -> AsyncIterator[Endpoint]:
        """An endpoint whose address is checked; `secrets` are references.

        Raises NotAllowed, OSError for a host that is not found, SettingsError for a secret that is not there.
        """
        parsed = self.reach.check(url)
        values = signing_secrets(secrets)
        async with asyncio.timeout(self._timeout_s):
            address = await self.reach.address(parsed)
        limits = httpx2.Limits(max_connections=self.requests_at_once, max_keepalive_connections=self.requests_at_once)
        async with httpx2.AsyncClient(
            headers={"user-agent": "kept-events", "accept-encoding": "identity"},
            timeout=httpx2.Timeout(self._timeout_s, connect=min(_CONNECT_MAX_S, self._timeout_s)),
            limits=limits,
            follow_redirects=False,
            trust_env=False,
            verify=_tls(),
        ) as client:
            yield Endpoint(
                url=parsed.copy_with(host=address),
                host=parsed.netloc.decode("ascii"),
                name=parsed.raw_host.decode("ascii"),
                secrets=values,
                client=client,
                timeout_s=self._timeout_s,
                clock=self._clock,
            )


def signing_secrets(references: Sequence[str]) -> list[str]:
    """The secrets behind the references, newest first. Raises SettingsError for one that can't be signed with."""
    if not 0 < len(references) <= SECRETS_MAX:
        raise SettingsError(f"a subscription has one to {SECRETS_MAX} secrets, this one has {len(references)}")
    values = [resolve_secret(reference).reveal() for reference in references]
    for value in values:
        sign_standard(value, "check", 0, b"")
    return values


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes long, so it is done once."""
    return ssl.create_default_context()
