"""docs/guides/shopify.md says what the connector does: its settings open a shop, its topics are those that are read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from kept.connectors.channels.shopify import build
from kept.connectors.channels.shopify.codes import ORDER_TOPICS
from kept.connectors.channels.shopify.queries import API_VERSION
from kept.connectors.http import HttpTargets
from kept.settings import ChannelSettings

GUIDE = (Path(__file__).parents[5] / "docs" / "guides" / "shopify.md").read_text(encoding="utf-8")
SOURCES = Path(__file__).parents[5] / "src" / "kept" / "connectors" / "channels" / "shopify"
_SCOPE = re.compile(r"\b(?:read|write)_(?:all_orders|orders|\w*fulfillment_orders|inventory|products|locations)\b")


async def test_the_settings_that_it_shows_open_a_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPIFY_CLIENT_SECRET", "shpss_secret")
    (shown,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    settings = ChannelSettings(**tomllib.loads(shown)["channels"]["shop"])  # a key that is none of ours is refused
    targets = HttpTargets()
    channel = build("shop", settings, targets)
    assert all((channel.poll, channel.fetch, channel.confirm, channel.cancel, channel.cancel_jobs, channel.push_stock))
    await targets.aclose()


def test_it_names_every_topic_scope_and_the_version() -> None:
    assert API_VERSION in GUIDE
    assert all(f"`{topic}`" in GUIDE for topic in ORDER_TOPICS)
    needed = {scope for path in SOURCES.glob("*.py") for scope in _SCOPE.findall(path.read_text(encoding="utf-8"))}
    assert needed <= set(_SCOPE.findall(GUIDE))
