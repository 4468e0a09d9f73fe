"""Ports that something is to listen on."""

import socket

from lead_assets.domain.errors import InvalidInput


def require_free_port(host: str, port: int) -> None:
    """Told before anything starts: Dagster would stay without a web server, and its daemon would fight the other's.

    Raises:
        InvalidInput: somebody listens there already, or nobody may.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise InvalidInput(f"Port {port} of {host} is not free ({error}). Choose another with --port.") from None
