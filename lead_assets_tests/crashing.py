"""Runs that are struck at a chosen edge: just before or after what they write is committed or sent.

An edge is reached in the same order by every run over the same documents, so that a number names a place. Nothing of
this is in the product: the hooks are put on the engine and the clients of a test's own place.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.context import ForkServerContext
from typing import Any

from sqlalchemy.event import listen

from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.step import Step, run_step
from lead_assets_tests.steps import STEPS, Coordinates, Place, opened_place

_WRITES = ("INSERT", "UPDATE", "DELETE")


def _end_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Edges:
    """The edges that were reached, as ``step before commit``. At the one with number or name ``at``, ``strike`` is
    called once: unless told otherwise it ends the process.
    """

    at: int | str | None = None
    strike: Callable[[], object] = _end_this_process
    step: str = ""
    reached: list[str] = field(default_factory=list)

    def reach(self, what: str) -> None:
        edge = f"{self.step} {what}"
        if self.at in (len(self.reached), edge):
            self.at = None
            self.strike()
        self.reached.append(edge)

    def around(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call`` with an edge before and one after it."""

        def wrapped(*given: Any, **named: Any) -> Any:
            self.reach(f"before {what}")
            answer = call(*given, **named)
            self.reach(f"after {what}")
            return answer

        return wrapped


def watch(place: Place, edges: Edges) -> None:
    """Let ``edges`` see the commits of transactions that write, and what is sent to Typesense."""
    engine, index = place.database.engine, place.search_index
    commit = engine.dialect.do_commit
    watched = edges.around("commit", commit)

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith(_WRITES):
            connection.info["has_written"] = True

    def do_commit(connection: Any) -> None:
        (watched if connection.info.pop("has_written", False) else commit)(connection)

    def forget(connection: Any) -> None:
        connection.info.pop("has_written", None)

    listen(engine, "before_cursor_execute", note)
    listen(engine, "rollback", forget)
    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
    for name in ("upsert", "delete"):
        setattr(index, name, edges.around(f"Typesense {name}", getattr(index, name)))


def run_watched(
    place: Place,
    edges: Edges,
    run_id: str,
    steps: Sequence[Step] = STEPS,
    make_context: Callable[[], RunContext] | None = None,
    **of_context: Any,
) -> None:
    """Run steps, and let ``edges`` see what they write."""
    watch(place, edges)
    context = make_context() if make_context else place.context(**of_context)
    for step in steps:
        edges.step = step.name
        run_step(step, context, place.stores, run_id)


def _child(coordinates: Coordinates, kill_at: int, of_context: dict[str, Any]) -> None:
    with ExitStack() as stack:
        run_watched(opened_place(stack, coordinates), Edges(kill_at), "killed", **of_context)


def crash(coordinates: Coordinates, kill_at: int, **of_context: Any) -> int:
    """Run all steps in a process that ends at edge ``kill_at``; returns its exit code."""
    return in_a_child(partial(_child, coordinates, kill_at, of_context))


def in_a_child(work: Callable[[], object]) -> int:
    """Do ``work`` in a process of its own; returns its exit code."""
    process = _context().Process(target=work)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _context() -> ForkServerContext:
    """Children of one process that has imported all that they need, and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
