"""Ports for servers: those of last time where they are free, else new ones."""

import secrets
import socket
from collections.abc import Sequence
from dataclasses import replace

from lead_assets.domain.errors import LocalServerFailed
from lead_assets.servers.server import Say
from lead_assets.servers.state import HOST, Record

PORTS = range(20_000, 32_000)  # below what Linux and macOS hand to outgoing connections, so a port stays ours


def with_free_ports(record: Record, say: Say, title: str) -> Record:
    if record.port and not is_free(record.port):
        say(f"{title}: port {record.port} is taken by another program, a new one is chosen.")
    port = record.port if record.port and is_free(record.port) else _free_port(())
    peering = record.peering_port
    if not peering or peering == port or not is_free(peering):
        peering = _free_port((port,))
    return replace(record, port=port, peering_port=peering)


def _free_port(taken: Sequence[int]) -> int:
    for _ in range(200):
        port = PORTS[secrets.randbelow(len(PORTS))]
        if port not in taken and is_free(port):
            return port
    raise LocalServerFailed(f"No free port between {PORTS[0]} and {PORTS[-1]} on {HOST}: stop what occupies them.")


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do it: without this, a port is refused for a minute after its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
