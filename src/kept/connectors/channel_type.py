"""What a channel's folder offers to the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kept.connectors.http import HttpTargets
from kept.ports import Channel, Incoming, Normalise
from kept.settings import ChannelSettings


@dataclass(frozen=True, slots=True)
class ChannelType:
    """A kind of channel.

    `build` makes one account's channel from its name and settings; it raises SettingsError.
    `messages_of_file` takes a file apart into messages as they would have come over the wire: one order, or the
    vendor's own list of orders. It raises BadMessage.
    """

    build: Callable[[str, ChannelSettings, HttpTargets], Channel]
    normalise: Normalise
    messages_of_file: Callable[[bytes], Sequence[Incoming]]
