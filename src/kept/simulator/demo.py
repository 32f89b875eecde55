"""A world to start with: an ERP, three centres and two channels on this machine, and the kept.toml to match."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kept.simulator.amazon_payloads import MARKETPLACE, SELLER_ID
from kept.simulator.config import CentreConfig, ChannelConfig, Delays, ErpConfig, WorldConfig
from kept.simulator.dialects import DIALECTS
from kept.simulator.faults import Behaviour, FaultPlan

# Ports of the world, in this order from `first_port` on.
_PARTIES = ("erp", "east", "west", "europe", "shop", "inhouse", "marketplace", "market")
# The accounts there are, by name: what kind each is.
ACCOUNTS = {"shop": "shopify", "inhouse": "inhouse", "marketplace": "amazon", "market": "walmart"}


@dataclass(frozen=True, slots=True)
class DemoWorld:
    """A world, and the text of the kept.toml that knows it."""

    config: WorldConfig
    kept_toml: str


def demo_config(
    folder: Path,
    *,
    kept_url: str = "http://127.0.0.1:8080",
    first_port: int = 8101,
    seed: int = 1,
    rate: float = 5.0,
    count: int = 0,
    faults: FaultPlan | None = None,
    behaviour: Behaviour | None = None,
    delays: Delays | None = None,
    on_hand: int = 1_000_000,
    poll_every_s: int = 60,
    accounts: Sequence[str] = ("shop", "inhouse"),
    speed: float = 1.0,
) -> DemoWorld:
    """The demonstration world under `folder`. Its secrets are made once and kept there (mode 0600).

    `accounts` are some of ACCOUNTS; their quotas refill `speed` times faster than the vendors' do.
    """
    folder = folder.absolute()
    ports = {name: first_port + offset for offset, name in enumerate(_PARTIES)}
    secret = _secrets(folder / "secrets")
    config = WorldConfig(
        kept_url=kept_url,
        books_dir=str(folder / "books"),
        erp=ErpConfig(port=ports["erp"], token=secret["erp.token"]),
        centres={
            name: CentreConfig(ports[name], secret[f"{name}.token"], secret[f"{name}.webhook"], on_hand)
            for name in ("east", "west", "europe")
        },
        channels={
            name: ChannelConfig(ACCOUNTS[name], ports[name], secret[f"{name}.token"], secret[f"{name}.webhook"], speed)
            for name in accounts
        },
        seed=seed,
        rate=rate,
        count=count,
        faults=faults or FaultPlan(seed=seed),
        behaviour=behaviour or Behaviour(),
        delays=delays or Delays(),
    )
    return DemoWorld(config, _kept_toml(config, poll_every_s))


def _secrets(folder: Path) -> Mapping[str, str]:
    """References to the world's secrets, made where they are missing."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    references = {}
    for party in _PARTIES:
        references[f"{party}.token"] = _persisted(folder / f"{party}.token", secrets.token_urlsafe(32))
        if party == "erp":
            continue
        key = secrets.token_bytes(32)
        webhook = "shpss_" + key.hex() if party == "shop" else "whsec_" + base64.b64encode(key).decode()
        references[f"{party}.webhook"] = _persisted(folder / f"{party}.webhook", webhook)
    return references


def _persisted(path: Path, fresh: str) -> str:
    """`file:` reference to the secret at `path`, which is `fresh` if there was none."""
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(fresh + "\n")
    return f"file:{path}"


def _service(name: str, domestic: tuple[int, int, int], international: tuple[int, int] | None = None) -> str:
    """A service: (days, base, per kg) at home and (days, base) abroad; amounts in US cents."""
    text = f'name = "{name}", domestic_days = {domestic[0]}, base_minor = {domestic[1]}, per_kg_minor = {domestic[2]}'
    if international is not None:
        text += f", international_days = {international[0]}, international_base_minor = {international[1]}"
    return f"  {{ {text} }},\n"


# Time zone, cut-off, address and services of each centre. Each serves the whole world, so that a part which
# one centre refuses can go to another.
_CENTRES = {
    "east": (
        ("America/New_York", "17:00"),
        'name = "Kept East", line1 = "1 Dock Rd", city = "Newark", '
        'region = "NJ", postal_code = "07102", country = "US"',
        _service("ground", (4, 700, 90))
        + _service("express", (2, 1900, 220), (4, 5200))
        + _service("economy", (7, 550, 70), (9, 1800)),
    ),
    "west": (
        ("America/Los_Angeles", "16:00"),
        'name = "Kept West", line1 = "9 Harbor Way", city = "Oakland", '
        'region = "CA", postal_code = "94607", country = "US"',
        _service("ground", (4, 720, 85))
        + _service("express", (2, 1850, 230), (4, 5000))
        + _service("economy", (7, 560, 65), (9, 1750)),
    ),
    "europe": (
        ("Europe/Berlin", "15:30"),
        'name = "Kept Europe", line1 = "Hafenstr. 4", city = "Hamburg", postal_code = "20457", country = "DE"',
        _service("paket", (2, 520, 60), (8, 1400)) + _service("express", (1, 1600, 180), (4, 4600)),
    ),
}


def _kept_toml(config: WorldConfig, poll_every_s: int) -> str:
    """The kept.toml for this world. Paths are quoted as TOML literal strings."""

    def reach(port: int, token: str, webhook: str | None = None) -> str:
        lines = [f"base_url = 'http://{config.host}:{port}'", f"token = '{token}'"]
        if webhook is not None:
            lines.append(f"webhook_secrets = ['{webhook}']")
        return "\n".join(lines)

    parts = ["# A simulated world's kept.toml. Written by `kept simulate`."]
    for name, channel in config.channels.items():
        where = reach(channel.port, channel.token, channel.webhook_secret)
        tempo = f"\npoll_every_s = {poll_every_s}" if DIALECTS[channel.type].listed else ""
        # What a vendor's answers do not say of its rates, the account's settings must.
        own = f"\nrate_factor = {channel.speed}" if channel.speed != 1.0 else ""
        if channel.type == "amazon":
            own += _amazon_toml(config.host, name, channel)
        elif channel.type == "walmart":
            own += f"\nclient_id = \"simulated\"\nclient_secret = '{channel.token}'"
        parts.append(f'[channels.{name}]\ntype = "{channel.type}"\n{where}{tempo}{own}')
    offers = 'offers = ["check", "credit", "invoices", "orders"]'
    parts.append(f'[erps.main]\ntype = "rest"\n{offers}\n{reach(config.erp.port, config.erp.token)}')
    for name, centre in config.centres.items():
        (timezone, cutoff), address, services = _CENTRES[name]
        where = reach(centre.port, centre.token, centre.webhook_secret)
        parts.append(
            f'[centres.{name}]\ntype = "rest"\n{where}\ntimezone = "{timezone}"\ncutoff = "{cutoff}"\n'
            f"address = {{ {address} }}\nservices = [\n{services}]"
        )
    parts.append("# So that a program on this machine can subscribe.\n[events]\nallowed_networks = ['127.0.0.0/8']")
    return "\n\n".join(parts) + "\n"


def _amazon_toml(host: str, name: str, channel: ChannelConfig) -> str:
    """What an Amazon account needs besides: login, seller and queue are at the same simulated address."""
    url = f"http://{host}:{channel.port}"
    lines = [
        f"token_url = '{url}/auth/o2/token'",
        'client_id = "simulated"',
        f"client_secret = '{channel.webhook_secret}'",
        f'seller_id = "{SELLER_ID}"',
        f'marketplaces = ["{MARKETPLACE}"]',
        f"queue_url = '{url}/000000000000/{name}'",
        f'queue_key_id = "{name}"',
        f"queue_secret = '{channel.webhook_secret}'",
    ]
    return "".join("\n" + line for line in lines)
