"""What is known about the embedded servers between two commands: `servers.json`, with their ports and secrets.

The file is readable by its owner only, from its first byte on, and replaced as a whole,
so that a reader never meets half of it.
"""

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from lead_assets.domain.errors import LocalServerFailed
from lead_assets.files import write_whole
from lead_assets.servers.state_folder import read_private, trusted

DATABASE = "lead_assets"
ROLE = "lead_assets"
HOST = "127.0.0.1"
AUTHENTICATION = "require_auth=scram-sha-256"
"""libpq then proves that it knows the password without sending it, and the server has to prove the same: whoever else
listens on the recorded port learns nothing."""


@dataclass(frozen=True)
class Servers:
    """Coordinates and secrets of the embedded servers; a field is empty where that server was never started."""

    database_url: str = field(repr=False)
    typesense_url: str
    typesense_api_key: str = field(repr=False)


@dataclass(frozen=True)
class Record:
    """One server's entry in `servers.json`.

    `started` is the process's creation time in seconds since the epoch: with the process id it tells a living server
    from a stranger who was given the same id. `secret_applied` says that the data folder knows the secret.
    """

    secret: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    secret_applied: bool = False
    port: int = 0
    peering_port: int = 0
    pid: int | None = None
    started: float | None = None


@dataclass(frozen=True)
class State:
    """Both servers' entries; None where a server was never started."""

    postgres: Record | None = None
    typesense: Record | None = None

    def with_record(self, name: str, record: Record) -> "State":
        """The same state with one server's entry replaced."""
        return replace(self, **{name: record})

    def record(self, name: str) -> Record | None:
        """The entry of the server called `name`: `postgres` or `typesense`."""
        return self.postgres if name == "postgres" else self.typesense


def path_in(home: Path) -> Path:
    """Where the state of `home` is stored."""
    return home / "servers.json"


def load(home: Path) -> State | None:
    """The stored state, or None where there is none.

    Raises LocalServerFailed if the file cannot be read, may be another user's, or is not one that we wrote.
    """
    path = path_in(home)
    try:
        entries = json.loads(read_private(path))
        return State(**{name: _record(entry) for name, entry in entries.items()})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LocalServerFailed(
            f"{path} cannot be read ({error.strerror}): run the command as the user who started the servers."
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise LocalServerFailed(
            f"{path} is broken: delete it and run `lead-assets up`, which makes new secrets and keeps the data."
        ) from error


def _record(entry: dict[str, object] | None) -> Record | None:
    if entry is None:
        return None
    record = Record(**entry)  # pyright: ignore[reportArgumentType] the types are checked on the next lines
    numbers = [record.port, record.peering_port, record.pid or 0, record.started or 0]
    if not (isinstance(record.secret, str) and record.secret and all(isinstance(n, int | float) for n in numbers)):
        raise ValueError("a field has the wrong type")
    return record


def save(home: Path, state: State) -> None:
    """Replace the stored state as a whole; raises OSError where the folder cannot be written."""
    write_whole(path_in(home), json.dumps(asdict(state), indent=2) + "\n")


def coordinates(state: State) -> Servers:
    """What a client needs to reach the servers of `state`."""
    postgres, typesense = state.postgres, state.typesense
    return Servers(
        database_url=database_url(postgres) if postgres and postgres.port else "",
        typesense_url=f"http://{HOST}:{typesense.port}" if typesense and typesense.port else "",
        typesense_api_key=typesense.secret if typesense and typesense.port else "",
    )


def database_url(record: Record) -> str:
    """The connection URL of the recorded PostgreSQL."""
    return f"postgresql://{ROLE}:{quote(record.secret, safe='')}@{HOST}:{record.port}/{DATABASE}?{AUTHENTICATION}"


def is_running(home: Path, name: str) -> bool:
    """Whether the recorded process of the server called ``name`` lives: its port is nobody else's then.

    Raises:
        LocalServerFailed: `servers.json` is broken, or may be another user's.
    """
    import psutil  # only where a server is our own: commands that need none start faster without it

    state = load(trusted(home))
    record = state.record(name) if state else None
    if record is None or record.pid is None or record.started is None:
        return False
    try:
        # Whole seconds of tolerance: the creation time is counted from the boot time, which the clock's setting moves.
        return abs(psutil.Process(record.pid).create_time() - record.started) < 3
    except psutil.Error:
        return False


def read_servers(home: Path) -> Servers | None:
    """The recorded coordinates, whether or not the servers run; None where `up` was never called.

    Raises:
        LocalServerFailed: `servers.json` is broken, or may be another user's.
    """
    state = load(trusted(home))
    return coordinates(state) if state else None
