"""The checker of the tour: what it accepts as the same, and what it does not."""

from pathlib import Path

import pytest

from lead_assets_tests.conftest import PROJECT
from lead_assets_tests.tour import Step, difference, steps

DOCUMENT = """
## Steps

```console
$ one --flag \\
    more
first line
…
last line
$ two
```

<!-- another terminal -->
```console
$ three
```

## Next

```console
$ not part of the tour
```
"""


def test_commands_and_what_they_print_are_read(tmp_path: Path) -> None:
    (tmp_path / "tour.md").write_text(DOCUMENT)
    assert steps(tmp_path / "tour.md", "Steps") == [
        Step("one --flag \\\n    more", ("first line", "…", "last line")),
        Step("two", ()),
        Step("three", (), in_another_terminal=True),
    ]


@pytest.mark.parametrize("printed", ["first\nlast\n", "first\nx\n\ny\nlast", "first  \nlast\n\n"])
def test_a_mark_alone_stands_for_any_lines(printed: str) -> None:
    assert difference(Step("x", ("first", "…", "last")), printed) is None


@pytest.mark.parametrize(
    ("printed", "missing"),
    [
        ("other\nlast", "first"),
        ("first\nlast\nmore", "last"),
        ("first", "last"),
        ("", "first"),
        ("xfirst\nlast", "first"),
    ],
)
def test_the_first_line_that_is_not_printed_is_reported(printed: str, missing: str) -> None:
    assert difference(Step("x", ("first", "…", "last")), printed) == missing


def test_a_mark_in_a_line_stands_for_any_text_in_it() -> None:
    step = Step("x", ("at … 08:00",))
    assert difference(step, "at Mon 08:00") is None
    assert difference(step, "at Mon 09:00") == "at … 08:00"
    assert difference(step, "at Mon\nTue 08:00") == "at … 08:00"


def test_a_command_that_shows_nothing_prints_nothing() -> None:
    assert difference(Step("x", ()), "") is None
    assert difference(Step("x", ()), "something") == ""


def test_the_tour_shows_what_is_printed() -> None:
    found = steps(PROJECT / "docs" / "tour.md", "Steps")
    assert [step.command.split()[0] for step in found][:2] == ["make", "."]
    assert sum(len(step.expected) for step in found) > 50
