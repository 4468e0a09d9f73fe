"""One connection: reads requests, lets the server answer them, and writes or withholds the answers."""

import contextlib
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from lead_assets_tests.stand_ins.reddit_server.answers import Answer
from lead_assets_tests.stand_ins.reddit_server.faults import Fault

if TYPE_CHECKING:
    from lead_assets_tests.stand_ins.reddit_server.server import RedditServer

# Closes with a reset instead of a farewell.
_LINGER_NOT = struct.pack("ii", 1, 0)


class Listener(ThreadingHTTPServer):
    """Takes connections, and can drop all of them at once."""

    daemon_threads = False  # so that closing waits for the threads, and no test leaves one behind
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], reddit: "RedditServer") -> None:
        self.reddit = reddit
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep the server's own errors for whoever stops it; a client that leaves in the middle is none."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.reddit.errors.append(error)

    def drop_connections(self) -> None:
        """End all reads, those of silent requests too."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive."""

    protocol_version = "HTTP/1.1"
    server_version = "snooserv"
    sys_version = ""
    # With keep-alive, waiting to fill a packet would cost 40 ms an answer.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Listener

    def do_GET(self) -> None:
        """Answer a GET."""
        self._serve({})

    def do_POST(self) -> None:
        """Answer a POST with a form."""
        length = int(self.headers.get("Content-Length") or 0)
        self._serve(dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True)))

    def _serve(self, form: dict[str, str]) -> None:
        answer, fault = self.server.reddit.respond(self.command, self.path, form, self.headers)
        if fault is Fault.TIMEOUT:
            self._stay_silent()
        elif fault is Fault.RESET:
            self._reset()
        else:
            self._send(answer, half=fault is Fault.TRUNCATED)

    def _send(self, answer: Answer, *, half: bool) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "private, s-maxage=0, max-age=0, must-revalidate, no-store")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if half else answer.body)
        self.wfile.flush()
        self.close_connection = self.close_connection or half

    def _stay_silent(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.recv(1)

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing; the server keeps its own log."""
