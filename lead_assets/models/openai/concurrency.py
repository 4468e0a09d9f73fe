"""Work on several requests at once, bounded, with results as they come."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def results(
    take: Callable[[int], Job | None], work: Callable[[Job], Result], most: int, stopping: threading.Event
) -> Iterator[list[Result]]:
    """Results of ``work`` on the jobs that ``take`` gives, as they come, at most ``most`` at once.

    What is ready at once comes as one list, and no other job starts until the next list is asked for: who stores each
    list before that loses no more than ``most`` results to a kill.

    ``take`` is told how many jobs are under way and gives the next, or None where none may start now; the end is where
    none is under way and none may start. The first error, an interruption of the run included, ends it: ``stopping`` is
    set, what is under way is waited for and still given (it is paid for), then the error is raised. A second
    interruption, and closing the iterator, drop what is under way.
    """
    stopping.clear()
    pending: list[Future[Result]] = []
    # Set whenever one is done: `concurrent.futures.wait` would lock each that is under way, twice for each result.
    some_is_done = threading.Event()
    failure: BaseException | None = None
    pool = ThreadPoolExecutor(most, thread_name_prefix="endpoint")
    try:
        while True:
            while failure is None and len(pending) < most and (job := take(len(pending))) is not None:
                pending.append(pool.submit(work, job))
                pending[-1].add_done_callback(lambda _: some_is_done.set())
            if not pending:
                break
            try:
                some_is_done.wait()
                # Before it is looked at who is done, so that nobody who is done later goes unnoticed.
                some_is_done.clear()
                done = [future for future in pending if future.done()]
            except BaseException as interruption:  # KeyboardInterrupt, and Dagster's own
                if failure is not None:
                    raise
                failure = interruption
                stopping.set()
                some_is_done.set()  # it may have been cleared already, and nobody looked
                continue
            pending = [future for future in pending if future not in done]
            errors = [error for future in done if (error := future.exception()) is not None]
            if errors:
                failure = failure or errors[0]
                stopping.set()
            if len(errors) < len(done):
                yield [future.result() for future in done if future.exception() is None]
        if failure is not None:
            raise failure
    finally:
        stopping.set()
        pool.shutdown(wait=True, cancel_futures=True)
