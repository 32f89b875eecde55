"""What a channel's folder offers to the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kept.connectors.http import HttpTargets
from kept.connectors.order_files import ReadOrderFile
from kept.ports import Channel, Incoming, Normalise
from kept.settings import ChannelSettings


@dataclass(frozen=True, slots=True)
class ChannelType:
    """A kind of channel.

    `build` makes one account's channel from its name and settings; it raises SettingsError.
    `messages_of_file` takes a file apart into messages as they would have come over the wire: one order, or the
    vendor's own list of orders. It raises BadMessage. `read_file` reads the files of the account's drop folder;
    None where orders don't come by files.
    """

    build: Callable[[str, ChannelSettings, HttpTargets], Channel]
    normalise: Normalise
    messages_of_file: Callable[[bytes], Sequence[Incoming]]
    read_file: ReadOrderFile | None = None
