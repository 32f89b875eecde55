"""One Amazon account over a stand-in that Amazon's published models judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_channel
from kept.connectors.traffic import Shared
from kept.ports import Channel
from kept.settings import ChannelSettings
from tests.conformance.amazon import MARKETPLACE, TOKEN_URL, FakeAmazon
from tests.conformance.amazon_models import Judge
from tests.conformance.wire import NO_LIMITS, Beside, Wire

HOST = "channel.test"


def settings_in(folder: Path) -> ChannelSettings:
    for name in ("channel", "client"):
        (folder / name).write_text(f"token-of-{name}", encoding="utf-8")
    return ChannelSettings(
        "amazon",
        f"http://{HOST}",
        token=f"file:{folder}/channel",
        timeout_s=5.0,
        requests_at_once=2,
        token_url=TOKEN_URL,
        client_id="app",
        client_secret=f"file:{folder}/client",
        seller_id="A1SELLER",
        marketplaces=(MARKETPLACE,),
    )


@dataclass(slots=True)
class Account:
    channel: Channel
    vendor: FakeAmazon
    wire: Wire
    judge: Judge

    def called(self) -> list[str]:
        """The last part of each path called at the API, and its method."""
        return [f"{request.method} {request.url.path.rpartition('/')[2]}" for request in self.wire.requests]


def open_account(
    folder: Path, vendor: FakeAmazon | None = None, *, shared: Shared = NO_LIMITS, **changes: object
) -> Account:
    """An account whose settings have these `changes`. Its judge skips the test where the models are not there."""
    vendor = vendor or FakeAmazon()
    judge = Judge(vendor.transport(), HOST)
    wire = Wire(judge, lambda request: request.method != "GET")
    targets = HttpTargets(transport=Beside(wire, vendor.transport(), HOST), shared=shared)
    settings = replace(settings_in(folder), **changes)  # type: ignore[arg-type] # a test names settings freely
    return Account(build_channel("shop", settings, targets), vendor, wire, judge)
