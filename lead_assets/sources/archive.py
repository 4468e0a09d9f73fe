"""The archive source: NDJSON files of Reddit objects, plain or Zstandard, as the monthly dumps are.

A file is streamed, so its size does not matter. One bad line never stops a crawl: it is counted and reported.
"""

import html
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import zstandard

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document, MalformedDocument, from_reddit
from lead_assets.domain.errors import SourceFailed, SourceNotFound
from lead_assets.sources.source import SourceCounts

BATCH_DOCUMENTS = 1_000
ZSTD_WINDOW = 2**31
"""The monthly dumps are compressed with a window of up to 2 GiB."""
MAX_LINE_BYTES = 16 * 2**20
"""A Reddit object is a few kilobytes; a longer line is no record, and must not fill the memory."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class ArchiveSource:
    """Streams one archive file."""

    name = "archive"

    def __init__(self, path: Path, batch_documents: int = BATCH_DOCUMENTS) -> None:
        """Take ``path`` for a crawl.

        Raises:
            SourceNotFound: there is no such file.
        """
        if not path.is_file():
            raise SourceNotFound(f"There is no archive file at {path}; give the path of an .ndjson or .zst file.")
        self.path = path
        self.counts = SourceCounts()
        self._batch_documents = batch_documents

    def search(self, campaign: Campaign, since: datetime | None = None) -> Iterator[list[Document]]:
        """Batches of matching documents, in the file's order. ``since`` is ignored: ``post_age`` judges and counts.

        Raises:
            SourceFailed: the file cannot be read on.
        """
        batch: list[Document] = []
        for thing in self._things():
            document = self._match(thing, campaign)
            if document is None:
                continue
            batch.append(document)
            if len(batch) >= self._batch_documents:
                yield batch
                batch = []
        if batch:
            yield batch

    def look_up(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` as it is: an archive's records carry all the facts there are."""
        return frame

    def _things(self) -> Iterator[dict[str, object]]:
        """Every Reddit object in the file; other lines are counted as malformed."""
        with self.path.open("rb") as raw, _decompressed(raw) as stream:
            for number, line in enumerate(self._lines(stream), start=1):
                if not line.strip():
                    continue
                self.counts.read += 1
                thing = self._parse(number, line)
                if thing is not None:
                    yield thing

    def _lines(self, stream: BinaryIO) -> Iterator[bytes]:
        try:
            while line := stream.readline(MAX_LINE_BYTES):
                yield line
        except (zstandard.ZstdError, OSError) as error:
            raise SourceFailed(
                f"{self.path} cannot be read past record {self.counts.read} ({error}); "
                "what came before is stored; fetch the file again and repeat the run."
            ) from error

    def _parse(self, number: int, line: bytes) -> dict[str, object] | None:
        try:
            thing = json.loads(line)
        except (ValueError, RecursionError) as error:
            self.counts.add_malformed(f"line {number}", f"not JSON ({str(error)[:80]})")
            return None
        if not isinstance(thing, dict):
            self.counts.add_malformed(f"line {number}", "not a JSON object")
            return None
        return thing

    def _match(self, thing: Mapping[str, object], campaign: Campaign) -> Document | None:
        # Most records match nothing: ask that of the raw text before a document is made of it.
        if not campaign.matched_keywords(_raw_text(thing)):
            return None
        if _was_deleted(thing):
            self.counts.deleted += 1
            return None
        try:
            document = from_reddit(thing, self.name)
        except MalformedDocument as error:
            self.counts.add_malformed(f"record {self.counts.read}", str(error))
            return None
        keywords = campaign.matched_keywords(document.own_text) if campaign.wants(document) else []
        if not keywords:
            return None
        self.counts.matched += 1
        return replace(document, matched_keywords=tuple(keywords))


@contextmanager
def _decompressed(raw: BinaryIO) -> Iterator[BinaryIO]:
    """``raw`` as it is, or what it decompresses to."""
    compressed = raw.read(len(_ZSTD_MAGIC)) == _ZSTD_MAGIC
    raw.seek(0)
    if not compressed:
        yield raw
        return
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    with io.BufferedReader(decompressor.stream_reader(raw, read_across_frames=True), 2**20) as stream:  # type: ignore[arg-type]
        yield stream


def _raw_text(thing: Mapping[str, object]) -> str:
    parts = [part for key in ("title", "selftext", "body") if isinstance(part := thing.get(key), str)]
    text = "\n\n".join(parts)
    return html.unescape(text) if "&" in text else text


def _was_deleted(thing: Mapping[str, object]) -> bool:
    """Whether the archive's maker saw later that the author or a moderator had taken the record down."""
    meta = thing.get("_meta")
    return isinstance(meta, Mapping) and bool(meta.get("was_deleted_later"))
