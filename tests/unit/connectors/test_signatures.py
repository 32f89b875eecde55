"""Signatures, held against the vectors of the reference implementations."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from kept.connectors.signatures import ShopifyVerify, StandardVerify, sign_shopify, sign_standard
from kept.ports import Incoming, NotAuthentic
from kept.settings import Secret, SettingsError
from tests.fixtures_location import shared_fixtures

SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
OTHER = "whsec_" + base64.b64encode(b"another key, being rotated").decode()
NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
BODY = b'{"id": 1}'


def vectors(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared_fixtures("webhooks", name).read_text())
    return found


def standard(signature: str, *, identity: str = "msg_1", timestamp: str | None = None) -> Mapping[str, str]:
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(int(NOW.timestamp())) if timestamp is None else timestamp,
        "webhook-signature": signature,
    }


def signed(secret: str = SECRET, body: bytes = BODY) -> str:
    return sign_standard(secret, "msg_1", int(NOW.timestamp()), body)


# ------------------------------------------------------------------ Standard Webhooks


def test_standard_signature_is_that_of_the_reference_implementation() -> None:
    for vector in vectors("standard-webhooks.vectors.json")["sign"]:
        body = vector["payload"].encode()
        made = sign_standard(vector["secret"], vector["webhook-id"], vector["webhook-timestamp"], body)
        assert made == vector["webhook-signature"]


def test_standard_vector_verifies_with_and_without_the_prefix_of_its_secret() -> None:
    found = vectors("standard-webhooks.vectors.json")
    vector = found["sign"][0]
    headers = {name: str(vector[name]) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    now = datetime.fromtimestamp(vector["webhook-timestamp"], UTC)
    for secret in (vector["secret"], found["secret_without_prefix_must_also_work"]):
        StandardVerify([Secret(secret)])(Incoming(headers, vector["payload"].encode()), now)


def test_standard_vectors_that_must_fail_fail() -> None:
    found = vectors("standard-webhooks.vectors.json")
    vector = found["sign"][0]
    good = {name: str(vector[name]) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    now = datetime.fromtimestamp(vector["webhook-timestamp"], UTC)
    verify = StandardVerify([Secret(vector["secret"])])
    bad = [good | {"webhook-signature": signature} for signature in found["invalid_signature_headers"]]
    bad += [good | {"webhook-timestamp": timestamp} for timestamp in found["invalid_timestamps"]]
    for name in found["missing_any_of_headers_must_fail"]:
        bad.append({key: value for key, value in good.items() if key != name})
    for headers in bad:
        with pytest.raises(NotAuthentic):
            verify(Incoming(headers, vector["payload"].encode()), now)


def test_standard_header_with_several_signatures_needs_one_that_fits() -> None:
    found = vectors("standard-webhooks.vectors.json")
    vector = found["sign"][0]
    header = found["multi_signature_header_template"].replace("{VALID}", vector["webhook-signature"])
    headers = {name: str(vector[name]) for name in ("webhook-id", "webhook-timestamp")}
    now = datetime.fromtimestamp(vector["webhook-timestamp"], UTC)
    verify = StandardVerify([Secret(vector["secret"])])
    verify(Incoming(headers | {"webhook-signature": header}, vector["payload"].encode()), now)


def test_standard_secrets_that_must_be_rejected_are() -> None:
    for secret in vectors("standard-webhooks.vectors.json")["empty_secrets_must_be_rejected"]:
        with pytest.raises(SettingsError):
            StandardVerify([Secret(secret)])


def test_generated_attacks_are_refused_even_if_their_signature_were_right() -> None:
    """The recorded attacks, signed anew with our secret where only the signature's text was attacked: what
    is wrong with time, id or header stays wrong. (The secret of the recorded ones is not recorded.)"""
    resigned = {"ts float", "ts neg", "ts huge", "ts NaN", "ts arabic digits", "stale 301 s", "future 301 s"}
    resigned |= {"dot in id forging"}
    lines = shared_fixtures("bad-input", "generated", "webhooks.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["expect"] == "reject"]
    assert resigned <= {row["what"] for row in rows}
    verify = StandardVerify([Secret(SECRET)])
    for row in rows:
        identity, timestamp, signature = row["id_hdr"], str(row["ts_hdr"]), row["sig_hdr"]
        body = base64.b64decode(row["body_b64"])
        if row["what"] in resigned:
            key = base64.b64decode(SECRET.removeprefix("whsec_"))
            signed = f"{identity}.{timestamp}.".encode() + body
            signature = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        with pytest.raises(NotAuthentic):
            verify(
                Incoming(standard(signature, identity=identity, timestamp=timestamp), body),
                datetime.fromtimestamp(row["now"], UTC),
            )


def test_either_secret_of_a_rotation_verifies() -> None:
    verify = StandardVerify([Secret(SECRET), Secret(OTHER)])
    for secret in (SECRET, OTHER):
        verify(Incoming(standard(signed(secret)), BODY), NOW)


@pytest.mark.parametrize("age_s", [301, -301])
def test_a_message_from_outside_the_five_minutes_is_refused(age_s: int) -> None:
    moment = int(NOW.timestamp()) - age_s
    headers = standard(sign_standard(SECRET, "msg_1", moment, BODY), timestamp=str(moment))
    with pytest.raises(NotAuthentic, match="300 s"):
        StandardVerify([Secret(SECRET)])(Incoming(headers, BODY), NOW)


@pytest.mark.parametrize(
    "timestamp", ["1_762_160_400", " 1762160400", "+1762160400", "１７６２１６０４００", "1" * 13, "-1"]
)
def test_a_timestamp_that_only_python_takes_for_a_number_is_refused(timestamp: str) -> None:
    with pytest.raises(NotAuthentic, match="whole number"):
        StandardVerify([Secret(SECRET)])(Incoming(standard(signed(), timestamp=timestamp), BODY), NOW)


def test_a_changed_body_and_a_changed_id_are_refused() -> None:
    verify = StandardVerify([Secret(SECRET)])
    with pytest.raises(NotAuthentic):
        verify(Incoming(standard(signed()), BODY + b" "), NOW)
    with pytest.raises(NotAuthentic):
        verify(Incoming(standard(signed(), identity="msg_2"), BODY), NOW)


def test_a_header_full_of_signatures_is_refused_unread() -> None:
    with pytest.raises(NotAuthentic, match="more than 16"):
        StandardVerify([Secret(SECRET)])(Incoming(standard(" ".join([signed()] * 17)), BODY), NOW)


def test_a_signature_of_other_characters_is_refused_and_no_error() -> None:
    with pytest.raises(NotAuthentic):
        StandardVerify([Secret(SECRET)])(Incoming(standard("v1,ünïcödé"), BODY), NOW)


# ------------------------------------------------------------------ Shopify


def test_shopify_vector_verifies_and_its_reserialised_body_does_not() -> None:
    found = vectors("shopify-hmac.vectors.json")
    headers = {"x-shopify-hmac-sha256": found["X-Shopify-Hmac-Sha256"]}
    verify = ShopifyVerify([Secret(found["secret"])])
    assert sign_shopify(found["secret"], found["raw_body"].encode()) == found["X-Shopify-Hmac-Sha256"]
    verify(Incoming(headers, found["raw_body"].encode()), NOW)
    for body in (b'{"foo":"bar"}', b""):
        with pytest.raises(NotAuthentic):
            verify(Incoming(headers, body), NOW)


def test_shopify_old_secret_still_verifies_while_it_is_listed() -> None:
    headers = {"x-shopify-hmac-sha256": sign_shopify("old", BODY)}
    ShopifyVerify([Secret("new"), Secret("old")])(Incoming(headers, BODY), NOW)
    with pytest.raises(NotAuthentic):
        ShopifyVerify([Secret("new")])(Incoming(headers, BODY), NOW)


@pytest.mark.parametrize("headers", [{}, {"x-shopify-hmac-sha256": ""}, {"x-shopify-hmac-sha256": "ünïcödé"}])
def test_shopify_without_a_usable_signature_is_refused(headers: Mapping[str, str]) -> None:
    with pytest.raises(NotAuthentic):
        ShopifyVerify([Secret("secret")])(Incoming(headers, BODY), NOW)


def test_no_secret_and_an_empty_secret_are_settings_errors() -> None:
    for secrets in ([], [Secret("")]):
        with pytest.raises(SettingsError):
            ShopifyVerify(secrets)
    with pytest.raises(SettingsError):
        StandardVerify([])
    with pytest.raises(SettingsError):
        StandardVerify([Secret("whsec_not base64!")])
