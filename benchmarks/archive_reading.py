"""How fast an archive is read and matched, beside merely decompressing and parsing it, in one run.

    .venv/bin/python benchmarks/archive_reading.py FILE.zst KEYWORD [KEYWORD …]

Prints seconds, records and the ratio (the project's bound: at least 0.2), and the peak memory of the reading.
"""

import io
import json
import sys
import time
import tracemalloc
from pathlib import Path

import zstandard
from rich.console import Console
from rich.table import Table

from lead_assets.domain.campaign import Campaign
from lead_assets.sources.archive import ZSTD_WINDOW, ArchiveSource

ROUNDS = 3


def merely_parse(path: Path) -> int:
    """Decompress and parse every line; returns their number."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    with path.open("rb") as raw, decompressor.stream_reader(raw, read_across_frames=True) as stream:
        return sum(1 for line in io.BufferedReader(stream, 2**20) if json.loads(line))  # type: ignore[arg-type]


def read_and_match(path: Path, campaign: Campaign) -> int:
    """Read and match as a crawl does; returns the number of matching documents."""
    return sum(len(batch.documents) for batch in ArchiveSource(path).search(campaign))


def main() -> None:
    """Alternate the two, and print the best of each: the machine may be busy."""
    path, keywords = Path(sys.argv[1]), sys.argv[2:]
    campaign = Campaign(id="benchmark", name="benchmark", product="benchmark", keywords=keywords)
    parsing, reading = [], []
    records = matched = 0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        records = merely_parse(path)
        parsing.append(time.perf_counter() - start)
        start = time.perf_counter()
        matched = read_and_match(path, campaign)
        reading.append(time.perf_counter() - start)
    tracemalloc.start()
    read_and_match(path, campaign)
    peak = tracemalloc.get_traced_memory()[1]
    table = Table("", "seconds", "count")
    table.add_row("decompress and parse", f"{min(parsing):.2f}", f"{records:,} records")
    table.add_row("read and match", f"{min(reading):.2f}", f"{matched:,} documents")
    table.add_row("ratio", f"{min(parsing) / min(reading):.2f}", "")
    table.add_row("peak of Python's memory", "", f"{peak / 2**20:.0f} MB")
    Console().print(table)


if __name__ == "__main__":
    main()
