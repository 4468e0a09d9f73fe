"""Ctrl-C while modules are imported. It imports next to nothing itself, so that it is in place first.

A KeyboardInterrupt within an import is a traceback, and some packages make another error of it. Nothing has been begun
then that would have to be ended.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
SENTENCE = "Error: Interrupted."


@contextmanager
def ends_in_one_sentence() -> Iterator[None]:
    """Within the block, Ctrl-C ends the process with one sentence; where it is ignored or handled, it stays so."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, _end)
    except ValueError:  # not in the main thread, which alone is interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(_signal: int, _frame: object) -> None:
    os.write(2, f"{SENTENCE}\n".encode())
    os._exit(INTERRUPTED)
