"""What guards the API: tokens and the rate limit."""

import math
import secrets
import threading
import time
from collections.abc import Sequence


class Tokens:
    """The bearer tokens given out and not yet expired. Safe between threads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._expiry: dict[str, float] = {}
        self._lock = threading.Lock()

    def give(self) -> str:
        """A new token."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._expiry[token] = time.monotonic() + self.seconds
        return token

    def valid(self, token: str) -> bool:
        """Whether a token still holds."""
        with self._lock:
            return self._expiry.get(token, 0.0) > time.monotonic()

    def revoke(self, token: str | None = None) -> None:
        """Make a token invalid; without one, all of them."""
        with self._lock:
            if token is None:
                self._expiry.clear()
            else:
                self._expiry.pop(token, None)


class RateWindow:
    """Reddit's limit: so many requests in each fixed window, whatever their pace within it. Safe between threads."""

    def __init__(self, limit: int, seconds: float, first_seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._first_seconds = min(first_seconds, seconds)
        self._lock = threading.Lock()
        self.restart()

    def restart(self) -> None:
        """Begin again with nothing used."""
        with self._lock:
            self._ends = time.monotonic() + self._first_seconds
            self._used = 0

    def use(self) -> bool:
        """Count a request; whether it is within the limit."""
        with self._lock:
            self._roll()
            self._used += 1
            return self._used <= self.limit

    def headers(self) -> dict[str, str]:
        """The headers that tell the client where it stands."""
        with self._lock:
            self._roll()
            return {
                "x-ratelimit-remaining": str(float(max(self.limit - self._used, 0))),
                "x-ratelimit-used": str(self._used),
                "x-ratelimit-reset": str(math.ceil(self._ends - time.monotonic())),
            }

    def _roll(self) -> None:
        late = time.monotonic() - self._ends
        if late >= 0:
            self._ends += self.seconds * (1 + late // self.seconds)
            self._used = 0


def most_in_window(times: Sequence[float], seconds: float) -> int:
    """The most of these ascending times that lie within any window of so many seconds."""
    most = start = 0
    for end, moment in enumerate(times):
        while moment - times[start] >= seconds:
            start += 1
        most = max(most, end - start + 1)
    return most
