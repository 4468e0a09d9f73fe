"""Secrets of the embedded servers go to the servers only."""

import os
import socket
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from lead_assets.config.environment import Environment
from lead_assets.domain.errors import SearchUnavailable
from lead_assets.servers import state as states
from lead_assets.servers import supervision
from lead_assets.servers.state import Record, State


def environment(home: Path) -> Environment:
    return Environment.read({"LEAD_ASSETS_HOME": str(home)})


def recorded(home: Path, **changed: object) -> Record:
    me = psutil.Process(os.getpid())
    record = replace(Record(port=7001, pid=me.pid, started=me.create_time()), **changed)  # type: ignore[arg-type]
    states.save(home, State(postgres=record, typesense=record))
    return record


def test_the_key_of_typesense_is_given_while_its_own_process_lives(tmp_path: Path) -> None:
    record = recorded(tmp_path)

    assert environment(tmp_path).typesense == ("http://127.0.0.1:7001", record.secret)


@pytest.mark.parametrize("changed", [{"pid": None, "started": None}, {"started": 1.0}])
def test_the_key_of_typesense_is_not_given_where_a_stranger_may_listen(
    changed: dict[str, object], tmp_path: Path
) -> None:
    recorded(tmp_path, **changed)

    with pytest.raises(SearchUnavailable, match="not running"):
        _ = environment(tmp_path).typesense


def test_a_listener_that_is_not_our_postgresql_is_not_sent_the_password(tmp_path: Path) -> None:
    with socket.socket() as impostor:
        impostor.bind(("127.0.0.1", 0))
        impostor.listen()
        impostor.settimeout(10)
        recorded(tmp_path, port=impostor.getsockname()[1], secret="the-secret")
        engine = sa.create_engine(environment(tmp_path).database_url, connect_args={"sslmode": "disable"})

        heard = bytearray()

        def ask_for_a_password() -> None:
            connection, _ = impostor.accept()
            with connection:
                connection.settimeout(5)
                heard.extend(connection.recv(4096))
                connection.sendall(b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big"))  # in clear, please
                try:
                    heard.extend(connection.recv(4096))
                except OSError:
                    return

        thread = threading.Thread(target=ask_for_a_password)
        thread.start()
        with pytest.raises(sa.exc.OperationalError, match="authentication"):
            engine.connect()
        thread.join()
    assert b"the-secret" not in heard


def test_where_a_stranger_listens_on_the_port_the_secret_is_new(tmp_path: Path) -> None:
    with socket.socket() as impostor:
        impostor.bind(("127.0.0.1", 0))
        impostor.listen()
        before = Record(port=impostor.getsockname()[1], secret_applied=True)

        after = supervision._with_new_secret_where_taken(before, lambda _: None, "PostgreSQL")

    assert (after.secret != before.secret, after.secret_applied, after.port) == (True, False, 0)
    assert supervision._with_new_secret_where_taken(before, lambda _: None, "PostgreSQL") == before
