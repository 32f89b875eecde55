"""What a simulated world is made of, as one JSON file that all its processes read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from kept.settings import SettingsError
from kept.simulator.faults import Behaviour, FaultPlan


@dataclass(frozen=True, slots=True)
class ErpConfig:
    """The stand-in ERP. With both flags off it books twice when asked twice, as some ERPs do."""

    port: int
    token: str  # `file:PATH` or `env:NAME`
    honours_key: bool = True
    unique_reference: bool = True
    warehouses: frozenset[str] = frozenset({"MAIN"})


@dataclass(frozen=True, slots=True)
class CentreConfig:
    """A centre. `on_hand` pieces of each SKU lie on its shelves when its book is first opened."""

    port: int
    token: str
    webhook_secret: str
    on_hand: int = 1_000_000


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """A channel account; its name in the world is its name in Kept's webhooks."""

    type: str  # one of `dialects.DIALECTS`
    port: int
    token: str
    webhook_secret: str  # for a kind without webhooks: the client's secret
    speed: float = 1.0  # its quotas refill so many times faster than the vendor's, as the world sells faster
    points_per_s: float = 1000.0  # of a shop: what its plan gives


@dataclass(frozen=True, slots=True)
class Delays:
    """How long things take, in seconds. Short, so that a demonstration shows whole orders."""

    accept_s: float = 1.0
    ship_s: float = 4.0
    paid_after_s: float = 3.0
    edit_after_s: float = 0.5
    cut_after_s: float = 3.0
    cancel_soon_s: float = 0.2
    cancel_late_s: float = 6.0
    cancel_job_s: float = 1.0  # until a shop has cancelled what it was asked to
    late_s: float = 5.0
    stale_after_s: float = 8.0
    retry_base_s: float = 0.2  # doubled each time
    retry_max_s: float = 5.0
    answer_timeout_s: float = 5.0  # what Shopify allows a webhook's receiver


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """A simulated world. The same seed and the same calls give the same world again."""

    kept_url: str
    books_dir: str
    erp: ErpConfig
    centres: Mapping[str, CentreConfig]
    channels: Mapping[str, ChannelConfig]
    host: str = "127.0.0.1"
    seed: int = 1
    rate: float = 5.0  # new orders a second over all channels
    count: int = 0  # stop after so many orders; 0: never
    webhooks_at_once: int = 32  # enough for 300 webhooks/s at 100 ms each, few enough to spare the receiver
    faults: FaultPlan = field(default_factory=FaultPlan)
    behaviour: Behaviour = field(default_factory=Behaviour)
    delays: Delays = field(default_factory=Delays)

    def book_path(self, party: str) -> Path:
        """Where a party ("erp", "centre-east", "channels") keeps its book."""
        return Path(self.books_dir) / f"{party}.sqlite"


def load_world(path: Path) -> WorldConfig:
    """Read a world's JSON file. Raises SettingsError that names the key."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=WorldConfig)
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise SettingsError(f"{path}: {error}") from error


def save_world(config: WorldConfig, path: Path) -> None:
    """Write a world's JSON file. It names secrets and holds none."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")
