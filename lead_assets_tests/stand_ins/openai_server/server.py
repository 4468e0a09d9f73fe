"""The server: HTTP/1.1 with keep-alive, a thread for each connection, and a record of what it was asked."""

import contextlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from lead_assets_tests.stand_ins.openai_server import answers
from lead_assets_tests.stand_ins.openai_server.faults import Body, Fault, refused_input

CHAT, EMBEDDINGS, MODELS = "chat/completions", "embeddings", "models"
DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "nomic-embed-text": 768}
MAX_INPUTS = 2048
CHUNK = 1 << 16
_STRICT_NEEDS = {"name", "schema"}

Answer = Callable[[list[dict[str, Any]]], str]


def _format_of(body: Body) -> str | None:
    return (body.get("response_format") or {}).get("type")


def _openai(body: Body) -> str | None:
    """Takes all formats; a schema must be named."""
    given = body.get("response_format") or {}
    if given.get("type") == "json_schema" and not set(given.get("json_schema", {})) >= _STRICT_NEEDS:
        return "Missing required parameter: 'response_format.json_schema.name'."
    if given.get("type") == "json_object" and set(given) - {"type"}:
        return "Unknown parameter: 'response_format.schema'."
    return None


def _takes_all(_: Body) -> str | None:
    return None


def _llama_cpp(body: Body) -> str | None:
    if _format_of(body) not in (None, "text", "json_object"):
        return 'response_format type must be one of "text" or "json_object", but got: json_schema'
    return None


def _json_object_only(body: Body) -> str | None:
    given = body.get("response_format")
    return None if given in (None, {"type": "json_object"}) else "response_format must be json_object without more"


def _text_only(body: Body) -> str | None:
    return "response_format is not supported" if body.get("response_format") else None


DIALECTS: Mapping[str, Callable[[Body], str | None]] = {
    "openai": _openai,
    "ollama": _takes_all,
    "vllm": _takes_all,
    "llama.cpp": _llama_cpp,
    "json_object": _json_object_only,
    "text": _text_only,
    "careless": _takes_all,  # takes any format and heeds none: see _says
}
"""What a kind of server refuses in a chat request: a sentence, or None."""


class StandIn:
    """A server on a free port of 127.0.0.1, from ``start`` (or ``with``) until ``stop``.

    ``latency`` is the seconds that an answer takes, ``answer`` what the model says to messages, ``dialect`` the kind of
    server, ``api_key`` the only key that is let in. ``requests`` counts by endpoint, ``bodies`` and ``headers`` keep
    what was asked, ``most_at_once`` the largest number of requests that were open at one moment, ``busy_seconds`` sums
    up how long each answer took from the request's last byte to the answer's first. ``GET /record`` tells the counts.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        latency: float = 0.0,
        dialect: str = "openai",
        dimension: int | None = None,
        api_key: str | None = None,
        answer: Answer = answers.extraction,
        keep: bool = True,
    ) -> None:
        """Bind the port; nothing is served yet."""
        self.latency, self.dimension, self.api_key, self.answer, self.keep = latency, dimension, api_key, answer, keep
        self.refuses = DIALECTS[dialect]
        self.careless = dialect == "careless"
        self.faults: dict[str, list[Fault]] = {CHAT: [], EMBEDDINGS: [], MODELS: []}
        self.requests: Counter[str] = Counter()
        self.bodies: dict[str, list[Body]] = {CHAT: [], EMBEDDINGS: [], MODELS: []}
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.busy_seconds = 0.0
        self.flooded = 0
        self._open = 0
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.stand_in = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """What goes into OPENAI_BASE_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def start(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Serve no longer: open connections are closed."""
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail(self, endpoint: str, *faults: Fault) -> None:
        """From now on requests to ``endpoint`` meet ``faults``, the first that holds each time."""
        self.faults[endpoint] += faults

    def forget(self) -> None:
        """Count anew."""
        with self._lock:
            self.requests.clear()
            self.busy_seconds = 0.0
            self.headers.clear()
            for bodies in self.bodies.values():
                bodies.clear()

    def met(self, endpoint: str, body: Body, headers: dict[str, str]) -> Fault | None:
        """Record a request; the fault that it meets, if any."""
        with self._lock:
            self.requests[endpoint] += 1
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            if self.keep:
                self.bodies[endpoint].append(body)
                self.headers.append(headers)
            for fault in self.faults[endpoint]:
                if fault.times != 0 and fault.when(body):
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return None

    def done(self, seconds: float) -> None:
        """An answer is ready, after so long."""
        with self._lock:
            self._open -= 1
            self.busy_seconds += seconds

    def record(self) -> dict[str, Any]:
        """The counts, for a process that cannot look at the attributes."""
        with self._lock:
            return {"requests": dict(self.requests), "busy_seconds": self.busy_seconds}

    def connected(self, connection: socket.socket, *, still: bool) -> None:
        """Keep track of open connections."""
        with self._lock:
            (self._connections.add if still else self._connections.discard)(connection)

    def answered(self, endpoint: str, body: Body) -> tuple[int, Any]:
        """Status and JSON of an answer without faults."""
        if endpoint == MODELS:
            return 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in DIMENSIONS]}
        if endpoint == EMBEDDINGS:
            return self._embedded(body)
        if refused := self.refuses(body):
            return 400, {"error": refused_input(refused).error}
        content = self._says(body)
        usage = {"prompt_tokens": len(json.dumps(body["messages"])) // 4, "completion_tokens": len(content) // 4}
        message = {"role": "assistant", "content": content, "refusal": None}
        return 200, {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }

    def _says(self, body: Body) -> str:
        if self.careless and '"is_lead"' not in "".join(message["content"] for message in body["messages"]):
            return "Sure! This person seems to want a CRM."
        said = self.answer(body["messages"])
        # Without a format a model likes to talk around its JSON.
        return said if body.get("response_format") else f"Here it is:\n```json\n{said}\n```\nAnything else?"

    def _embedded(self, body: Body) -> tuple[int, Any]:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if not texts or len(texts) > MAX_INPUTS:
            return 400, {"error": refused_input(f"Too many inputs. The maximum is {MAX_INPUTS}.").error}
        if any(not text for text in texts):
            return 400, {"error": refused_input("'$.input' is invalid: input cannot be an empty string.").error}
        dimension = self.dimension or DIMENSIONS.get(body["model"], 8)
        encoding = body.get("encoding_format")
        return 200, answers.embeddings(body["model"], tuple(texts), dimension, encoding)


def _written(answer: Any) -> bytes:
    """JSON; text (a page of a proxy, say) and JSON that is written already as they are."""
    if isinstance(answer, bytes):
        return answer
    return (answer if isinstance(answer, str) else json.dumps(answer)).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    stand_in: StandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    @property
    def stand_in(self) -> StandIn:
        server: Any = self.server
        return server.stand_in

    def setup(self) -> None:
        super().setup()
        self.stand_in.connected(self.connection, still=True)

    def finish(self) -> None:
        self.stand_in.connected(self.connection, still=False)
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Nothing: what was asked is recorded."""

    def do_GET(self) -> None:
        if self.path == "/record":
            self._send(200, _written(self.stand_in.record()))
        else:
            self._serve({})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0)))))

    def _serve(self, body: Body) -> None:
        began = time.monotonic()
        endpoint = re.sub(r"^/(v1/)?", "", self.path)
        if endpoint not in self.stand_in.faults:
            self._send(404, _written({"error": {"message": f"Unknown path {self.path}"}}))
            return
        fault = self.stand_in.met(endpoint, body, {name.lower(): value for name, value in self.headers.items()})
        try:
            status, answer = self._answer(endpoint, body, fault)
            # Written before the wait: the latency is all that an answer takes, as long as writing it takes no longer.
            content = _written(answer)
            taken = time.monotonic() - began
            time.sleep(max(0.0, self.stand_in.latency + (fault.delay if fault else 0.0) - taken))
        finally:
            self.stand_in.done(time.monotonic() - began)
        if fault is not None and fault.reset:
            self._break_off(content)
        elif fault is not None and fault.drip:
            self._drip(content, fault.drip)
        elif fault is not None and fault.flood:
            self._flood(content, fault.flood)
        else:
            self._send(status, content, fault.headers if fault else {})

    def _answer(self, endpoint: str, body: Body, fault: Fault | None) -> tuple[int, Any]:
        key = self.stand_in.api_key
        if key is not None and self.headers.get("Authorization") != f"Bearer {key}":
            return 401, {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}
        if fault is not None and fault.status is not None:
            return fault.status, {"error": dict(fault.error)}
        status, answer = self.stand_in.answered(endpoint, body)
        if fault is not None and fault.change is not None:
            answer = fault.change(json.loads(answer) if isinstance(answer, bytes) else answer)
        return status, answer

    def _send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if content.startswith(b"<") else "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def _drip(self, content: bytes, seconds: float) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        for byte in head.encode() + content:
            time.sleep(seconds)
            self.wfile.write(bytes([byte]))
            self.wfile.flush()

    def _flood(self, content: bytes, size: int) -> None:
        """What was taken of it is counted in ``flooded``."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(size + len(content)))
        self.end_headers()
        for _ in range(size // CHUNK):
            self.wfile.write(b" " * CHUNK)
            self.wfile.flush()
            self.stand_in.flooded += CHUNK
        self.wfile.write(b" " * (size % CHUNK) + content)
        self.wfile.flush()

    def _break_off(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
