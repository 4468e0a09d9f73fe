"""The state folder: nobody else's is believed, nobody else reads it; who listens in a server's place is told."""

import os
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from lead_assets.cli import main
from lead_assets.defs.instance import Artifacts, ComputeLogs
from lead_assets.domain.errors import LocalServerFailed
from lead_assets.servers import state as states
from lead_assets.servers.state import Record, State
from lead_assets.servers.state_folder import make, trusted

SOMEBODY = 54_321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as a second user")
COMMANDS = (["status"], ["up"], ["down"], ["tokens", "list"], ["run", "crm"], ["dev"])


def as_somebody(script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script as another user."""
    command = ["/bin/sh", "-c", script]
    return subprocess.run(
        command, user=SOMEBODY, group=SOMEBODY, extra_groups=[], capture_output=True, text=True, check=False
    )


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder like /tmp, where every user may make files of their own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


def told(home: Path, command: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command says that is refused in one sentence."""
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(home))
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, type(result.exception)) == (2, SystemExit), result.output
    assert result.output.startswith("Error: ")
    assert len(result.output.splitlines()) == 1
    return result.output


@needs_root
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_folder_that_another_user_made_is_not_believed(
    command: list[str], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shared / "state"
    entry = '{"secret": "known-to-somebody", "port": 7001}'
    as_somebody(f'mkdir {home} && echo \'{{"postgres": {entry}, "typesense": {entry}}}\' > {home}/servers.json')
    assert (home / "servers.json").stat().st_uid == SOMEBODY

    output = told(home, command, monkeypatch)

    assert f"{home} belongs to another user" in output
    assert "LEAD_ASSETS_HOME" in output


@needs_root
def test_a_link_that_another_user_made_is_not_followed(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shared / "mine").mkdir()
    as_somebody(f"ln -s {shared}/mine {shared}/state; ln -s {shared}/not-there {shared}/later")

    for name in ("state", "later"):
        assert "belongs to another user" in told(shared / name, ["up"], monkeypatch)


def test_a_link_of_ones_own_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to("disk")

    assert make(tmp_path / "state") == tmp_path / "disk"


def test_a_folder_where_everybody_writes_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)

    assert "may be written by everybody" in told(tmp_path, ["status"], monkeypatch)


def _open(path: Path) -> None:
    path.chmod(0o644)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _give_away(path: Path) -> None:
    os.chown(path, SOMEBODY, SOMEBODY)


@pytest.mark.parametrize("change", [_open, _link, _pipe, pytest.param(_give_away, marks=needs_root)])
def test_secrets_that_others_may_know_or_have_made_are_not_used(change: Callable[[Path], None], tmp_path: Path) -> None:
    states.save(tmp_path, State(Record(port=7001)))
    assert states.read_servers(tmp_path) is not None
    change(states.path_in(tmp_path))

    with pytest.raises(LocalServerFailed) as refused:
        states.read_servers(tmp_path)

    assert str(states.path_in(tmp_path)) in str(refused.value)


def test_a_folder_that_is_not_there_yet_is_made_and_is_closed_to_others(tmp_path: Path) -> None:
    home = make(tmp_path / "new" / "state")

    assert trusted(home) == home
    assert stat.S_IMODE(home.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH) == 0


@needs_root
def test_what_runs_print_is_read_by_nobody_else(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = shared / "state"
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(home))
    old = home / "dagster" / "storage"
    old.mkdir(parents=True)
    (old / "compute.log").write_text("a secret")
    assert "a secret" in as_somebody(f"cat {old}/compute.log").stdout, "as earlier versions left it"

    logs, artifacts = ComputeLogs.from_config_value(None, {}), Artifacts.from_config_value(None, {})

    assert (Path(logs._base_dir).parent, Path(artifacts.base_dir)) == (home, home / "dagster")
    assert "Permission denied" in as_somebody(f"cat {old}/compute.log").stderr
    assert "Permission denied" in as_somebody(f"ls {home}/dagster").stderr


# --- status beside whoever listens in a server's place ---------------------------------------------------------------

SAID = {
    "nothing": b"",
    "http": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "noise": bytes(range(256)) * 40,
    "an error with escapes": b"E\x00\x00\x00\x30SFATAL\x00C28000\x00M\x1b[31m\xff\xfe no\x00\x00" + b"\x00" * 20,
    "welcome without a password": b"R" + (8).to_bytes(4, "big") + (0).to_bytes(4, "big") + b"Z\x00\x00\x00\x05I",
}


@contextmanager
def impostor(said: bytes) -> Iterator[int]:
    """Listens on a port, and says the same to everybody."""
    ends = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def serve() -> None:
            while not ends.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(2)
                    try:
                        if connection.recv(4096)[4:8] == b"\x04\xd2\x16\x2f":  # a question for TLS
                            connection.sendall(b"N")
                            connection.recv(4096)
                        connection.sendall(said)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ends.set()
            thread.join()


@pytest.mark.parametrize("said", SAID.values(), ids=list(SAID))
@pytest.mark.parametrize("own", [False, True])
def test_status_tells_in_a_sentence_who_else_listens(
    said: bytes, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path))
    with impostor(said) as port:
        states.save(tmp_path, State(Record(port=port), Record(port=port)))
        if own:
            monkeypatch.setenv("DATABASE_URL", f"postgresql://me:secret@127.0.0.1:{port}/x")
            monkeypatch.setenv("TYPESENSE_URL", f"http://127.0.0.1:{port}")
            monkeypatch.setenv("TYPESENSE_API_KEY", "key")
        result = CliRunner().invoke(main, ["status"])

    assert result.exit_code == 0, result.output
    assert result.exception is None
    assert f"PostgreSQL at 127.0.0.1:{port}" in result.output
    assert "Typesense" in result.output
    assert all(line.isprintable() for line in result.output.splitlines())
    assert "Traceback" not in result.output
