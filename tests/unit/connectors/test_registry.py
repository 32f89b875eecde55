"""kept.toml -> connectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kept.connectors.registry import build_connectors
from kept.connectors.warehouse_stock import WarehouseStock
from kept.ports import Incoming
from kept.settings import (
    AddressSettings,
    Business,
    CentreSettings,
    ChannelSettings,
    ErpSettings,
    ServiceSettings,
    SettingsError,
)

CENTRE = CentreSettings(
    "rest",
    "UTC",
    "16:00",
    AddressSettings("East", "1 Dock Rd", "Newark", "07102", "US"),
    (ServiceSettings("ground", 4, 700, 90),),
    base_url="http://c.test",
)


@pytest.fixture
def business(tmp_path: Path) -> Business:
    (tmp_path / "token").write_text("tok\n", encoding="utf-8")
    (tmp_path / "webhook").write_text("whsec_c2VjcmV0\n", encoding="utf-8")
    token, webhook = f"file:{tmp_path}/token", (f"file:{tmp_path}/webhook",)
    return Business(
        channels={
            "shop": ChannelSettings("shopify", "http://s.test", webhook, token),
            "app": ChannelSettings("inhouse", "http://a.test", webhook, token),
            "feed": ChannelSettings("inhouse", webhook_secrets=webhook),
        },
        erps={"main": ErpSettings("rest", "http://e.test", token)},
        centres={"east": replace(CENTRE, token=token, webhook_secrets=webhook)},
    )


async def test_every_entry_becomes_its_connector_under_its_name(business: Business) -> None:
    connectors = build_connectors(business)
    assert {name: channel.account for name, channel in connectors.channels.items()} == {
        "shop": "shop",
        "app": "app",
        "feed": "feed",
    }
    assert connectors.erps["main"].name == "main"
    assert connectors.centres["east"].name == "east"
    await connectors.aclose()


def test_an_in_house_account_without_an_address_has_nobody_to_tell(business: Business) -> None:
    connectors = build_connectors(business)
    assert connectors.channels["feed"].confirm is None
    assert connectors.channels["app"].confirm is not None


def test_the_senders_id_of_a_message_is_its_identity(business: Business) -> None:
    connectors = build_connectors(business)
    message = Incoming({"webhook-id": "msg_1", "x-shopify-webhook-id": "w_1"}, b"{}")
    assert connectors.channels["app"].identify(message) == "msg_1"
    assert connectors.centres["east"].identify(message) == "msg_1"
    assert connectors.channels["shop"].identify(message) == "w_1"


def test_an_unknown_type_is_refused_with_those_that_are_known(business: Business) -> None:
    wrong = replace(business.channels["shop"], type="bazaar")
    with pytest.raises(SettingsError, match=r"channels\.shop\.type is 'bazaar'; known are amazon, inhouse, shopify"):
        build_connectors(replace(business, channels={"shop": wrong}))
    with pytest.raises(SettingsError, match=r"erps\.main\.type"):
        build_connectors(replace(business, erps={"main": ErpSettings("sap")}))
    with pytest.raises(SettingsError, match=r"centres\.east\.type"):
        build_connectors(replace(business, centres={"east": replace(CENTRE, type="depot")}))


def test_a_shop_without_address_or_token_is_refused_by_the_settings_name(business: Business) -> None:
    shop = business.channels["shop"]
    for field, wrong in {"base_url": replace(shop, base_url=""), "token": replace(shop, token="")}.items():
        with pytest.raises(SettingsError, match=rf"channels\.shop\.{field} is not set"):
            build_connectors(replace(business, channels={"shop": wrong}))


def test_a_webhook_without_secrets_is_refused(business: Business) -> None:
    wrong = replace(business.channels["shop"], webhook_secrets=())
    with pytest.raises(SettingsError, match=r"channels\.shop\.webhook_secrets is empty"):
        build_connectors(replace(business, channels={"shop": wrong}))


def test_an_empty_token_is_refused_and_no_secret_is_in_the_text(business: Business, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"erps\.main\.token") as caught:
        build_connectors(Business(erps=business.erps))
    assert "tok\n" not in str(caught.value)


def offering(business: Business, **erp: Any) -> Business:
    """The business, its ERP with these settings besides."""
    (name,) = business.erps
    return replace(business, erps={name: replace(business.erps[name], **erp)})


async def test_a_centre_s_stock_is_told_by_the_erps_warehouse_where_that_is_said(business: Business) -> None:
    (centre,) = business.centres
    said = offering(business, offers=("stock",), warehouses={centre: "WH1"})
    connectors = build_connectors(said)
    assert isinstance(connectors.centres[centre].stock, WarehouseStock)
    assert not isinstance(build_connectors(business).centres[centre].stock, WarehouseStock)
    await connectors.aclose()


@pytest.mark.parametrize(
    ("erp", "wrong"),
    [
        ({"offers": ("stock",), "warehouses": {"moon": "WH1"}}, "names the centre 'moon'; known are"),
        ({"warehouses": {"east": "WH1"}}, "does not tell what its warehouses have"),
    ],
)
def test_a_warehouse_that_can_t_be_asked_is_named(business: Business, erp: dict[str, Any], wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        build_connectors(offering(business, **erp))


@pytest.mark.parametrize("missing", ["base_url", "token", "user", "shop"])
def test_a_tryton_without_what_it_needs_is_refused_by_the_settings_name(business: Business, missing: str) -> None:
    token = business.erps["main"].token
    whole = ErpSettings("tryton", "http://t.test/db", token, user="kept", shop="Kept")
    assert build_connectors(replace(business, erps={"main": whole})).erps["main"].name == "main"
    with pytest.raises(SettingsError, match=rf"erps\.main\.{missing} is not set"):
        build_connectors(replace(business, erps={"main": replace(whole, **{missing: ""})}))  # type: ignore[arg-type]  # all are texts
