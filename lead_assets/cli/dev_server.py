"""The `lead-assets dev` that serves a home: one at a time, where it listens, and in which environment it works."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from lead_assets.config.environment import Environment
from lead_assets.domain.errors import InvalidInput
from lead_assets.servers.state_folder import make, trusted

LOCK = "dev.lock"
SERVICES = "services.lock"
"""Held, shared, by what serves others for as long as it runs, and would fail without the servers."""
_RESOLVED = {"_database_url", "_typesense_url", "_typesense_api_key", "dagster_url"}
"""Fields that exports() resolves, and where Dagster listens: neither changes what a run does."""


@dataclass(frozen=True)
class DevServer:
    """Where a `lead-assets dev` listens, and the digest of its environment."""

    url: str
    environment: str


def environment_digest(environment: Environment) -> str:
    """The same for two environments in which a run does the same. It holds secrets only as a hash."""
    fields = {field.name: getattr(environment, field.name) for field in dataclasses.fields(environment)}
    settled = {name: value for name, value in fields.items() if name not in _RESOLVED}
    text = json.dumps([settled, environment.exports(), version("lead_assets")], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def claim(home: Path) -> int:
    """Become the home's server, for as long as the file descriptor that this returns is open in any process.

    Raises:
        InvalidInput: another one serves it. Its daemon would start the same runs.
        LocalServerFailed: the home is not to be trusted.
    """
    make(home)
    lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        other = find(home)
        where = f" at {other.url}" if other else ""
        raise InvalidInput(f"Another `lead-assets dev` serves {home}{where}. Use that one, or stop it first.") from None
    os.truncate(lock, 0)
    return lock


def announce(lock: int, environment: Environment, url: str) -> None:
    """Say where the server listens and what it works with; the claim is kept by whatever takes this process's place."""
    server = DevServer(url, environment_digest(environment))
    os.write(lock, json.dumps(dataclasses.asdict(server)).encode())
    os.set_inheritable(lock, True)


def require_none(home: Path) -> None:
    """What would take the servers away from under those that use them is refused.

    Raises:
        InvalidInput: `lead-assets dev` serves this home, or another service uses it.
        LocalServerFailed: the home is not to be trusted.
    """
    with contextlib.suppress(FileNotFoundError), (trusted(home) / LOCK).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            where = f" at {other.url}" if (other := find(home)) else ""
            raise InvalidInput(f"`lead-assets dev` uses these servers{where}. Stop it first, with Ctrl-C.") from None
    with contextlib.suppress(FileNotFoundError), (trusted(home) / SERVICES).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(
                "A running `lead-assets api`, `mcp` or `worker` uses these servers. Stop it first, with Ctrl-C."
            ) from None


def use(home: Path) -> int:
    """Be one of those that need the home's servers, for as long as the file descriptor that this returns is open.

    Raises:
        LocalServerFailed: the home is not to be trusted.
    """
    lock = os.open(make(home) / SERVICES, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def find(home: Path) -> DevServer | None:
    """The server of a home; None where there is none, or where it is only just starting."""
    with contextlib.suppress(OSError, ValueError, TypeError), (trusted(home) / LOCK).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return DevServer(**json.loads(file.read()))  # a ValueError before its announcement
    return None
