"""PgBouncer before PostgreSQL is refused with the reason, whatever it pools, before anything is written."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets.storage.database import Database

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NOBODY = 65_534

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


def started(folder: Path, database_url: str, *lines: str) -> tuple[subprocess.Popen[bytes], str]:
    """A PgBouncer before the database, and the URL that leads to it."""
    url = sa.make_url(database_url)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    target = f"host={url.host} port={url.port} dbname={url.database} user={url.username} password={url.password}"
    config = folder / "pgbouncer.ini"
    settings = ["listen_addr = 127.0.0.1", f"listen_port = {port}", "auth_type = any", "unix_socket_dir ="]
    config.write_text("\n".join(["[databases]", f"pooled = {target}", "[pgbouncer]", *settings, *lines, ""]))
    assert PGBOUNCER is not None
    given = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    if given:
        os.chown(folder, NOBODY, NOBODY)
        os.chown(config, NOBODY, NOBODY)
    process = subprocess.Popen([PGBOUNCER, str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **given)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    return process, f"postgresql://somebody@127.0.0.1:{port}/pooled"


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that another account can come to: pytest's own are closed."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("ignored", ["", "ignore_startup_parameters = options"])
def test_a_pooler_is_refused_by_up_with_the_reason(
    mode: str,
    ignored: str,
    tmp_path: Path,
    reachable: Path,
    servers: embedded.Servers,
    new_database_url: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database_url = new_database_url()
    direct = sa.create_engine(database_url)
    with direct.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA lead_assets CASCADE"))
        connection.execute(sa.text("DROP SCHEMA dagster CASCADE"))
    process, pooled = started(reachable, database_url, f"pool_mode = {mode}", ignored)
    try:
        with sa.create_engine(pooled, poolclass=sa.NullPool).connect() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1, "the pooler itself works"
        for name, value in (("DATABASE_URL", pooled), ("LEAD_ASSETS_HOME", str(tmp_path / "home"))):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TYPESENSE_URL", servers.typesense_url)
        monkeypatch.setenv("TYPESENSE_API_KEY", servers.typesense_api_key)

        refused = CliRunner().invoke(main, ["up"])
    finally:
        process.terminate()
        process.wait()

    assert refused.exit_code == 2
    assert "is behind a connection pooler such as PgBouncer" in refused.output
    assert len(refused.output.splitlines()) == 1
    with direct.connect() as connection:
        schemas = set(connection.scalars(sa.text("SELECT nspname FROM pg_namespace")))
    direct.dispose()
    assert not {"lead_assets", "dagster"} & schemas, "nothing was written"


def test_the_server_itself_is_no_pooler(database: Database) -> None:
    database.check_session()
