"""The policy that a kept.toml describes, and what it says of one that is wrong."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import pytest

from kept.domain.routing import Band, Lane, Override, RoutingPolicy
from kept.processes.routing_policy import routing_policy
from kept.settings import SettingsError, load_business

_TOML = """
[routing]
name = "peak"
split_minor = 150
rules = [{ name = "lithium", skus = ["LITH-*"], only_centres = ["east"], only_services = ["ground"] }]

[centres.east]
type = "rest"
timezone = "America/New_York"
cutoff = "17:00"
holidays = "US-NJ"
closed = [2026-12-24]
open = [2026-11-26]
capacity_pieces = 5000
piece_minor = 35
address = { name = "East", line1 = "1 Dock Rd", city = "Newark", postal_code = "07102", country = "US" }

[[centres.east.services]]
name = "ground"
domestic_days = 6
base_minor = 980
per_kg_minor = 180
cutoff = "15:30"
pickup_days = [0, 1, 2, 3, 4]
bands = [
  { up_to_km = 240, days = 1, base_minor = 560, per_kg_minor = 45 },
  { up_to_km = 960, days = 3, base_minor = 650 },
]
overrides = [{ country = "US", postal_prefix = "99", days = 9, base_minor = 2500 }, { country = "PR" }]
"""


def policy_of(tmp_path: Path, text: str) -> RoutingPolicy:
    path = tmp_path / "kept.toml"
    path.write_text(text, encoding="utf-8")
    return routing_policy(load_business(path))


def test_everything_that_is_written_is_in_the_policy(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, _TOML)
    (east,) = policy.centres
    (ground,) = east.services
    assert (policy.name, policy.split_minor, policy.parts_max, policy.rules[0].only_services) == (
        "peak",
        150,
        3,
        ("ground",),
    )
    assert (east.postal_code, east.capacity_pieces, east.piece_minor) == ("07102", 5000, 35)
    assert {date(2026, 12, 24), date(2026, 12, 25), date(2027, 1, 1), date(2028, 7, 4)} <= east.holidays
    assert date(2026, 11, 26) not in east.holidays  # Thanksgiving, and open
    assert (ground.cutoff, ground.pickup_days) == (time(15, 30), frozenset(range(5)))
    assert ground.bands == (Band(240, Lane(1, 560, 45)), Band(960, Lane(3, 650)))
    assert ground.overrides == (Override("US", "99", Lane(9, 2500)), Override("PR", "", None))
    assert (ground.domestic, ground.international) == (Lane(6, 980, 180), None)


def test_the_same_file_is_the_same_policy_wherever_it_is_read(tmp_path: Path) -> None:
    one, other = policy_of(tmp_path, _TOML), policy_of(tmp_path, _TOML + "\n# a remark\n")
    assert one.sha256 == other.sha256
    assert policy_of(tmp_path, _TOML.replace("split_minor = 150", "split_minor = 151")).sha256 != one.sha256


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("split_minor = 150", "split_minor = -1", "routing.split_minor is -1"),
        ("split_minor = 150", "parts_max = 4", "routing.parts_max is 4; it is 1 to 3"),
        ('only_centres = ["east"]', 'only_centres = ["west"]', "'lithium' names the centre 'west'"),
        ('only_centres = ["east"], only_services = ["ground"]', 'accounts = ["a"]', "'lithium' says nothing"),
        ('"America/New_York"', '"America/Newark"', "centres.east.timezone"),
        ('cutoff = "17:00"', 'cutoff = "25:00"', "centres.east.cutoff"),
        ('cutoff = "15:30"', 'cutoff = "noon"', "centres.east.services.ground.cutoff"),
        ('holidays = "US-NJ"', 'holidays = "US-XX"', "centres.east.holidays is 'US-XX'"),
        ('holidays = "US-NJ"', 'holidays = "ZZ"', "centres.east.holidays is 'ZZ'"),
        ("pickup_days = [0, 1, 2, 3, 4]", "pickup_days = []", "pickup_days is []"),
        ("pickup_days = [0, 1, 2, 3, 4]", "pickup_days = [7]", "pickup_days is [7]"),
        ("up_to_km = 960", "up_to_km = 240", "bands go up to [240, 240] km"),
        ("domestic_days = 6", "domestic_days = -6", "-6 days on the way"),
        ("capacity_pieces = 5000", "capacity_pieces = -5", "centres.east.capacity_pieces is -5"),
    ],
)
def test_what_is_impossible_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in _TOML
    with pytest.raises(SettingsError) as caught:
        policy_of(tmp_path, _TOML.replace(old, new, 1))
    assert words in str(caught.value)
