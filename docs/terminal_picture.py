"""A picture of what a command prints in a terminal.

    python docs/terminal_picture.py [--columns 100] FILE.png COMMAND ARGUMENT…

The colours are the command's own: it runs with FORCE_COLOR, rich draws its output as SVG, and a headless Chromium
photographs that.
"""

import asyncio
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from argparse import REMAINDER, ArgumentParser, Namespace
from pathlib import Path

from page_picture import take
from PIL import Image
from rich.console import Console
from rich.text import Text

SCALE = 1.5
"""Pixels of the picture for each pixel of the page."""
COLOURS = 64
"""A terminal has few: a palette makes the file a fifth of its size."""


def drawn(command: list[str], columns: int) -> str:
    """The SVG of a terminal in which ``command`` was typed. Raises CalledProcessError where the command fails."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(columns)}
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(printed.rstrip("\n")), soft_wrap=True)
    typed = shlex.join([Path(command[0]).name, *command[1:]])
    svg = console.export_svg(title=f"$ {typed}")
    # rich would fetch its font from a CDN. The picture is drawn with a local one.
    return re.sub(r"@font-face \{.*?\}\n", "", svg, flags=re.DOTALL)


def main() -> None:
    """Read the command line, run the command and take the picture."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("file", type=Path)
    parser.add_argument("command", nargs=REMAINDER)
    options = parser.parse_args()
    svg = drawn(options.command, options.columns)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if size is None:
        sys.exit("rich's SVG has no viewBox: its template has changed.")
    width, height = (round(float(length)) for length in size.groups())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Path(folder, "terminal.html")
        page.write_text(f"<!doctype html><meta charset=utf-8><style>body{{margin:0}}</style>{svg}", encoding="utf-8")
        asked = Namespace(address=page.as_uri(), file=options.file, click=[], size=f"{width}x{height}", scale=SCALE)
        asyncio.run(take(asked, folder))
    Image.open(options.file).convert("RGB").quantize(COLOURS).save(options.file, optimize=True)


if __name__ == "__main__":
    main()
