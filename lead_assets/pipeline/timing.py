"""Time in a run: seconds of each phase, and how far a step is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PROGRESS_SECONDS = 2.0


class Phases:
    """Seconds spent in each phase of an asset."""

    def __init__(self) -> None:
        """Nothing spent yet."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Add the time of the block to phase ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def metadata(self) -> dict[str, Any]:
        """``seconds_<phase>`` for each phase, rounded to milliseconds."""
        return {f"seconds_{name}": round(seconds, 3) for name, seconds in self.seconds.items()}


class Progress:
    """Says how far a step is, at most every ``PROGRESS_SECONDS``, so that neither the event log nor a reader drowns."""

    def __init__(self, say: Callable[[str], object]) -> None:
        """``say`` takes one line."""
        self.say = say
        self._next = time.monotonic() + PROGRESS_SECONDS

    def at(self, message: str) -> None:
        """Say ``message`` if it is time."""
        if time.monotonic() >= self._next:
            self.say(message)
            self._next = time.monotonic() + PROGRESS_SECONDS
