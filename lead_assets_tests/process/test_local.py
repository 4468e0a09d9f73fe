"""The embedded servers, tried as real processes. Most tests share one home; each begins with `up`, which is cheap."""

import contextlib
import http.client
import importlib.machinery
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg2
import pytest
from filelock import FileLock

from lead_assets import servers as embedded
from lead_assets.domain.errors import LocalServerFailed
from lead_assets.servers import free_ports, postgres, state, supervision, typesense

PROJECT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0
NOBODY = 65534
HAS_TYPESENSE = sys.platform == "linux" and os.uname().machine == "x86_64"

pytestmark = pytest.mark.skipif(not HAS_TYPESENSE, reason="the embedded Typesense is for Linux x86-64 only")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home under a folder closed to others, with a path too long for a Unix socket, a space and other oddities."""
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)
    path = closed / ("a long folder's näme #1; " + "x" * 100) / ".lead_assets"
    embedded.up(path)
    yield path
    embedded.down(path)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A home of its own, for tests that start PostgreSQL only."""
    path = tmp_path / "home"
    yield path
    with contextlib.suppress(LocalServerFailed):
        embedded.down(path)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the account that PostgreSQL runs as, but none of ours."""
    account = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if AS_ROOT else {}
    with subprocess.Popen(["/bin/sleep", "600"], cwd="/", **account) as process:
        yield process
        process.kill()


def up(home: Path) -> embedded.Servers:
    return embedded.up(home, typesense=False)


def query(url: str, *statements: str) -> list[tuple]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def ask(servers: embedded.Servers, method: str, path: str, body: object = None) -> dict:
    connection = http.client.HTTPConnection(servers.typesense_url.removeprefix("http://"), timeout=10)
    try:
        headers = {"X-TYPESENSE-API-KEY": servers.typesense_api_key}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def remember(servers: embedded.Servers, word: str) -> None:
    query(servers.database_url, f"CREATE TABLE {word} AS SELECT '{word}' AS word")
    ask(servers, "POST", "/collections", {"name": word, "fields": [{"name": "word", "type": "string"}]})
    ask(servers, "POST", f"/collections/{word}/documents", {"word": word})


def remembered(servers: embedded.Servers, word: str) -> bool:
    rows = query(servers.database_url, f"SELECT word FROM {word}")
    return rows == [(word,)] and ask(servers, "GET", f"/collections/{word}")["num_documents"] == 1


def statuses(home: Path) -> dict[str, embedded.ServerStatus]:
    return {each.name: each for each in embedded.status(home)}


def pids(home: Path) -> dict[str, int]:
    return {name: each.pid for name, each in statuses(home).items() if each.pid}


def kill(home: Path) -> None:
    killed = set(pids(home).values())
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    while not killed.isdisjoint(pids(home).values()):
        time.sleep(0.01)


def recorded(home: Path) -> state.State:
    stored = state.load(home)
    assert stored
    return stored


def test_both_servers_answer_to_their_secrets_only(home: Path) -> None:
    servers = embedded.up(home)
    assert ask(servers, "GET", "/debug") == {"state": 1, "version": "0.24.1"}
    assert "Forbidden" in ask(replace(servers, typesense_api_key="wrong"), "GET", "/debug")["message"]
    assert query(servers.database_url, "SELECT '[1,2]'::vector <-> '[1,3]'") == [(1.0,)]
    wrong = servers.database_url.replace(recorded(home).postgres.secret, "wrong")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(wrong, "SELECT 1")


def test_durability_is_never_traded_for_speed(home: Path) -> None:
    url = embedded.up(home).database_url
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert query(url, f"SHOW {setting}") == [("on",)]


def test_the_role_is_no_superuser_but_its_new_databases_have_vectors(home: Path) -> None:
    url = embedded.up(home).database_url
    assert query(url, "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user") == [(False, True)]
    query(url, "CREATE DATABASE another")
    other = url.rsplit("/", 1)[0] + "/another"
    assert query(other, "CREATE EXTENSION IF NOT EXISTS vector", "SELECT '[1]'::vector::text") == [("[1]",)]
    query(url, "DROP DATABASE another")


def test_a_second_up_reuses_the_living_servers(home: Path) -> None:
    servers, before = embedded.up(home), pids(home)
    said: list[str] = []
    began = time.monotonic()
    assert embedded.up(home, on_progress=said.append) == servers
    assert time.monotonic() - began < 2
    assert pids(home) == before
    assert said == []
    assert embedded.read(home) == servers


def test_status_tells_version_size_and_address(home: Path) -> None:
    embedded.up(home)
    found = statuses(home)
    assert found["postgres"].state == found["typesense"].state == "running"
    assert found["postgres"].version.startswith("18.")
    assert found["typesense"].version == "0.24.1"
    assert found["postgres"].data_bytes > 10_000_000
    assert found["postgres"].address == f"127.0.0.1:{found['postgres'].port}"


def test_the_secrets_are_in_servers_json_alone_and_for_its_owner_alone(home: Path) -> None:
    servers = embedded.up(home)
    stored = recorded(home)
    words = [stored.postgres.secret.encode(), stored.typesense.secret.encode()]
    assert stat.S_IMODE((home / "servers.json").stat().st_mode) == 0o600
    shown = subprocess.run(["/bin/ps", "axeww", "-o", "args"], capture_output=True, check=True).stdout
    texts = {"ps": shown, "repr": repr(servers).encode()}
    texts |= {
        str(path): path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name != "servers.json"
    }
    assert [name for name, text in texts.items() for word in words if word in text] == []


def test_no_folder_above_the_data_changes_its_mode(home: Path) -> None:
    embedded.up(home)
    assert stat.S_IMODE(home.parent.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
    assert home.stat().st_uid == os.geteuid()


@pytest.mark.skipif(not AS_ROOT, reason="only root runs PostgreSQL as another account")
def test_root_runs_postgresql_with_at_most_one_capability(home: Path) -> None:
    embedded.up(home)
    fields = Path(f"/proc/{pids(home)['postgres']}/status").read_text()
    held = next(line for line in fields.splitlines() if line.startswith("CapEff")).split()[1]
    assert int(held, 16).bit_count() == 1
    assert f"Uid:\t{NOBODY}" in fields


def test_committed_data_survives_kill_9_of_both(home: Path) -> None:
    servers = embedded.up(home)
    remember(servers, "killed")
    kill(home)
    assert [each.state for each in embedded.status(home)] == ["stopped", "stopped"]
    assert embedded.up(home) == servers
    assert remembered(servers, "killed")


def test_an_occupied_port_is_left_to_its_owner_and_the_data_stays(home: Path) -> None:
    servers = embedded.up(home)
    remember(servers, "moved")
    before = statuses(home)
    assert embedded.down(home) == ["typesense", "postgres"]
    assert embedded.down(home) == []
    with contextlib.ExitStack() as sockets:
        for each in before.values():
            squatter = sockets.enter_context(socket.socket())
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind(("127.0.0.1", each.port))
            squatter.listen()
        moved = embedded.up(home)
        assert {each.port for each in before.values()}.isdisjoint(each.port for each in embedded.status(home))
        assert remembered(moved, "moved")


def test_a_server_that_was_not_recorded_is_found_again(home: Path) -> None:
    servers, before = embedded.up(home), pids(home)
    stored = recorded(home)
    for name in before:
        stored = stored.with_record(name, replace(stored.record(name), pid=None, started=None))
    state.save(home, stored)
    assert embedded.up(home) == servers
    assert pids(home) == before


def test_a_suspended_server_is_reported_and_started_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(typesense, "ANSWER_SECONDS", 0.5)
    servers, before = embedded.up(home), pids(home)
    os.kill(before["typesense"], signal.SIGSTOP)
    assert statuses(home)["typesense"].state == "not answering"
    said: list[str] = []
    assert embedded.up(home, on_progress=said.append) == servers
    assert said == [f"Typesense (process {before['typesense']}) does not answer and is started again."]
    assert pids(home)["typesense"] != before["typesense"]


def test_a_stranger_with_the_recorded_process_id_is_neither_reused_nor_killed(
    small: Path, stranger: subprocess.Popen[bytes]
) -> None:
    servers = up(small)
    kill(small)
    stored = recorded(small)
    began = psutil.Process(stranger.pid).create_time()
    state.save(small, replace(stored, postgres=replace(stored.postgres, pid=stranger.pid, started=began)))
    lock = small / "postgres" / "postmaster.pid"
    lock.write_text("\n".join([str(stranger.pid), *lock.read_text().split("\n")[1:]]))
    assert statuses(small)["postgres"].state == "stopped"
    assert embedded.down(small) == []
    state.save(small, replace(stored, postgres=replace(stored.postgres, pid=stranger.pid, started=began)))
    assert up(small) == servers
    assert query(servers.database_url, "SELECT 1") == [(1,)]
    assert stranger.poll() is None


def test_two_ups_at_once_start_one_server_which_outlives_them(small: Path) -> None:
    up = f"servers.up(Path({str(small)!r}))"
    code = f"from pathlib import Path; from lead_assets import servers; print({up}.database_url)"
    command = [sys.executable, "-c", code]
    both = [
        subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    # `communicate` returns only when nobody holds the pipes any more, the servers included.
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs[0] == outputs[1]
    assert query(outputs[0][0].strip(), "SELECT 1") == [(1,)]
    mains = [each for each in supervision.processes(postgres.Postgres(small)) if "-D" in each.cmdline()]
    assert len(mains) == 1


def test_an_interrupted_creation_is_made_anew(small: Path) -> None:
    half = small / "postgres"
    (half / "base" / "1").mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (small / "postgres.new-left").mkdir()
    servers = up(small)
    assert query(servers.database_url, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == [(1,)]
    assert list(small.glob("*.new-*")) == list(small.glob(".postgres-password*")) == []


def test_a_creation_killed_halfway_leaves_nothing_in_its_place(small: Path) -> None:
    code = (
        f"from pathlib import Path; from lead_assets import servers; servers.up(Path({str(small)!r}), typesense=False)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, start_new_session=True) as process:
        while not list(small.glob("postgres.new-*/PG_VERSION")):
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (small / "postgres").exists()
    assert query(up(small).database_url, "SELECT 1") == [(1,)]
    assert list(small.glob("postgres.new-*")) == []


def test_a_folder_with_tables_but_no_control_file_is_not_deleted(small: Path) -> None:
    up(small)
    embedded.down(small)
    (small / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(LocalServerFailed, match="restore that file from a backup"):
        up(small)
    assert (small / "postgres" / "base").is_dir()


def test_broken_servers_json_is_one_sentence_and_losing_it_loses_no_data(small: Path) -> None:
    assert embedded.read(small) is None
    query(up(small).database_url, "CREATE TABLE kept AS SELECT 1 AS one")
    embedded.down(small)
    file = small / "servers.json"
    for text in ("{", "[]", '{"postgres": {"secret": 5}}', '{"other": null}', '{"postgres": {"pid": "1"}}', "\x00"):
        file.write_text(text)
        for command in (embedded.read, embedded.status, embedded.down, up):
            with pytest.raises(LocalServerFailed, match="broken: delete it"):
                command(small)
    file.unlink()
    assert query(up(small).database_url, "SELECT one FROM kept") == [(1,)]


def test_a_failed_start_shows_the_end_of_the_log(small: Path) -> None:
    up(small)
    embedded.down(small)
    with (small / "postgres" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = on\n")
    with pytest.raises(LocalServerFailed, match=r"(?s)set DATABASE_URL.*no_such_setting"):
        up(small)
    assert pids(small) == {}


def test_a_port_snatched_at_the_last_moment_costs_one_more_attempt(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as snatcher:
        snatcher.bind(("127.0.0.1", 0))
        ports = iter([snatcher.getsockname()[1]])
        choose = free_ports._free_port
        monkeypatch.setattr(free_ports, "_free_port", lambda taken: next(ports, None) or choose(taken))
        assert query(up(small).database_url, "SELECT 1") == [(1,)]


def test_without_a_typesense_for_the_platform_postgresql_still_starts(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typesense.platform, "machine", lambda: "arm64")
    with pytest.raises(LocalServerFailed, match="set TYPESENSE_URL and TYPESENSE_API_KEY"):
        embedded.up(small)
    servers = embedded.read(small)
    assert servers
    assert (servers.typesense_url, servers.typesense_api_key) == ("", "")
    assert query(servers.database_url, "SELECT 1") == [(1,)]


@pytest.mark.skipif(not AS_ROOT, reason="only root runs PostgreSQL as another account")
def test_root_without_setpriv_in_a_closed_folder_is_told_what_to_do(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.mkdir()
    small.chmod(0o700)
    monkeypatch.setattr(postgres, "SYSTEM_FOLDERS", str(small))
    with pytest.raises(LocalServerFailed, match=r"install setpriv"):
        up(small)


@pytest.mark.skipif(not AS_ROOT, reason="a test of root becoming somebody else")
def test_an_ordinary_user_needs_nothing_special() -> None:
    folder = Path("/var/tmp") / f"lead-assets-test-{os.getpid()}"  # pytest's own folders are closed to others
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    home = folder / "home"
    code = (
        "import sys; from pathlib import Path; from lead_assets import servers; home = Path(sys.argv[1]);"
        "print(servers.up(home, typesense=False) == servers.up(home, typesense=False), servers.down(home))"
    )
    down = "import sys; from pathlib import Path; from lead_assets import servers; servers.down(Path(sys.argv[1]))"
    try:
        done = as_nobody([sys.executable, "-c", code, str(home)])
        assert (done.stdout.strip(), done.stderr) == ("True ['postgres']", "")
        assert (home / "servers.json").stat().st_uid == (home / "postgres").stat().st_uid == NOBODY
    finally:
        as_nobody([sys.executable, "-c", down, str(home)])  # root trusts no folder of another user
        shutil.rmtree(folder)


def as_nobody(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run as an unprivileged account, with the capability to read where the interpreter is in a closed folder."""
    for account in postgres._accounts(NOBODY, NOBODY):
        if postgres._reaches(account, [sys.executable, str(PROJECT), str(PROJECT)]):
            return subprocess.run(
                [*account.prefix, *command], cwd=PROJECT, capture_output=True, text=True, **account.options
            )
    pytest.skip("nobody cannot run this interpreter")


def test_a_lock_that_is_never_released_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOCK_SECONDS", 0.1)
    said: list[str] = []
    with FileLock(tmp_path / "servers.lock"), pytest.raises(LocalServerFailed, match=r"held .*servers\.lock"):
        embedded.up(tmp_path, on_progress=said.append)
    assert said == ["Waiting for another command that starts or stops the servers."]


def test_down_status_and_read_of_an_unused_home_make_nothing(tmp_path: Path) -> None:
    unused = tmp_path / "unused"
    assert embedded.down(unused) == []
    assert [each.state for each in embedded.status(unused)] == ["stopped", "stopped"]
    assert embedded.read(unused) is None
    assert not unused.exists()


def test_half_a_typesense_program_is_joined_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / typesense.PACKAGE
    for half, text in zip(typesense.HALVES, (b"#!/bin/sh\n", b"exit 0\n"), strict=True):
        (package.parent / half).parent.mkdir(parents=True)
        (package.parent / half).write_bytes(text)
    package.mkdir()
    (package / "typesense-server").write_bytes(b"#!/bin")
    spec = importlib.machinery.ModuleSpec(typesense.PACKAGE, None, origin=str(package / "__init__.py"))
    monkeypatch.setattr(typesense.importlib.util, "find_spec", lambda _: spec)
    program = typesense.executable(tmp_path)
    assert program.read_bytes() == b"#!/bin/sh\nexit 0\n"
    assert os.access(program, os.X_OK)
    assert typesense.executable(tmp_path) == program
