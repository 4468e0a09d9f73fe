"""The tour of docs/tour.md: its commands, and whether they print what the tour shows.

A fenced ``console`` block has commands after ``$ ``, each followed by what it prints. ``…`` stands for anything: alone
on a line for any number of lines, within a line for any text. Trailing spaces do not count.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^(?P<mark><!-- another terminal -->\n)?```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


@dataclass(frozen=True)
class Step:
    """A command, the lines that it prints, and whether it keeps running in a terminal of its own."""

    command: str
    expected: tuple[str, ...]
    in_another_terminal: bool = False


def steps(document: Path, heading: str) -> list[Step]:
    """The steps of the section under ``heading``."""
    section = re.search(rf"^## {heading}$(.*?)^## ", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert section is not None, f"{document.name} has no section {heading}"
    fences = re.findall(r"^ *```", section[1], re.MULTILINE)
    blocks = list(_BLOCK.finditer(section[1]))
    assert len(fences) == 2 * len(blocks), "a block of the tour is not a console block"
    assert all(block["text"].startswith("$ ") for block in blocks), "a block of the tour begins without a command"
    return [step for block in blocks for step in _of_block(block["text"], bool(block["mark"]))]


def _of_block(text: str, in_another_terminal: bool) -> list[Step]:
    found: list[Step] = []
    assert not in_another_terminal or text.count("\n") == 1, (
        "a block for another terminal must have one command and no output"
    )
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.rstrip("\n").split("\n")
        length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
        command = "\n".join(lines[:length])
        found.append(Step(command, tuple(line.rstrip() for line in lines[length:]), in_another_terminal))
    return found


def difference(step: Step, printed: str) -> str | None:
    """The first expected line that was not printed, or None if everything is as shown."""
    lines = [line.rstrip() for line in printed.strip("\n").split("\n")]
    for known in range(len(step.expected), -1, -1):
        # As far as the lines match, and anything after them.
        rest = [] if known == len(step.expected) else [ANYTHING]
        if re.fullmatch(_pattern([*step.expected[:known], *rest]), "\n".join(lines)):
            return None if known == len(step.expected) else step.expected[known]
    return "\n".join(step.expected)


def _pattern(expected: list[str]) -> str:
    parts: list[str] = []
    for line in expected:
        if line.strip() == ANYTHING:
            parts.append(r"(?:[^\n]*(?:\n|\Z))*?")
        else:
            parts.append(re.escape(line).replace(re.escape(ANYTHING), r"[^\n]*?") + r"(?:\n|\Z)")
    return "".join(parts)
