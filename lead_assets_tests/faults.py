"""The table of faults in ``docs/faults.md``: each row is declared beside the test that shows it.

``python -m lead_assets_tests.faults`` writes the file anew (``make faults``); a unit test compares the two.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "faults.md"
SERVICES = ("a run", "PostgreSQL", "Typesense", "Reddit", "Arctic Shift", "a model", "the disk", "Celery", "alerts")
"""The order of the table."""
_HEAD = """# Faults

What happens when something fails: what you see, what is tried again, and what is lost. Each row is shown by a
test, and this page is written from the tests by `make faults`.

| what fails | how | what you see | what is tried again | what is lost |
| --- | --- | --- | --- | --- |
"""
NOTHING = "nothing"
Test = TypeVar("Test", bound=Callable[..., object])


@dataclass(frozen=True)
class Fault:
    """A row: what fails and how, what a person sees, what is tried again, and what is lost."""

    service: str
    fault: str
    seen: str
    again: str
    lost: str
    test: str

    @property
    def row(self) -> str:
        """The row in Markdown."""
        return f"| {self.service} | {self.fault} | {self.seen} | {self.again} | {self.lost} |"


def fault(what: str, *, service: str, seen: str, again: str, lost: str = NOTHING) -> Callable[[Test], Test]:
    """Declare which row a test shows."""
    assert service in SERVICES, service

    def declare(test: Test) -> Test:
        row = Fault(service, what, seen, again, lost, getattr(test, "__name__", ""))
        vars(test)["fault"] = row
        return test

    return declare


def declared() -> list[Fault]:
    """The rows of all tests, in the table's order."""
    found: list[Fault] = []
    for path in sorted(TESTS.rglob("test_*.py")):
        if "@fault(" in path.read_text(encoding="utf-8"):
            module = importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))
            tests = (each for _, each in inspect.getmembers(module, inspect.isfunction))
            found += [vars(test)["fault"] for test in tests if "fault" in vars(test)]
    return sorted(found, key=lambda row: (SERVICES.index(row.service), row.fault))


def page() -> str:
    """The page, as it has to be."""
    return _HEAD + "".join(f"{row.row}\n" for row in declared())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
