"""What a server is to the supervisor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lead_assets.servers.state import Record

Say = Callable[[str], None]


@dataclass(frozen=True)
class Launch:
    """How a server is started: arguments, and the account it runs as where that is not the caller's."""

    arguments: Sequence[str]
    account: Mapping[str, object] = field(default_factory=dict)


class Server(Protocol):
    """What the supervisor asks of a server."""

    name: str  # its entry in servers.json
    title: str
    program: str  # beginning of the process's name
    variable: str  # the setting that replaces the embedded server
    data: Path
    log: Path
    stop_signals: Sequence[str]  # names, gentlest first: not every platform has them all

    def prepare(self, record: Record, say: Say) -> Record:
        """Make the data folder ready to be served with the record's secret."""
        ...

    def launch(self, record: Record) -> Launch:
        """The command for the record's ports; the secret must not be in it."""
        ...

    def answer(self, record: Record) -> str | None:
        """The server's version if it answers a request that needs the secret, else None."""
        ...

    def settle(self) -> None:
        """Clear away what only the start needed."""
        ...
