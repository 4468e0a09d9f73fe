"""The archive source: NDJSON files of Reddit objects, plain or Zstandard, as the monthly dumps are.

A file is streamed, so its size does not matter. One bad line never stops a crawl: it is counted and reported.
"""

import io
import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import zstandard

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document, MalformedDocument, from_reddit
from lead_assets.domain.errors import SourceFailed, SourceNotFound
from lead_assets.domain.removal import is_gone
from lead_assets.sources.base import Batch, SourceCounts

BATCH_DOCUMENTS = 1_000
ZSTD_WINDOW = 2**31
"""The monthly dumps are compressed with a window of up to 2 GiB."""
MAX_LINE_BYTES = 16 * 2**20
"""A Reddit object is a few kilobytes; a longer line is no record, and must not fill the memory."""
_ZSTD_MAGIC = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
"""What a frame begins with, or a skippable frame, which pzstd writes first."""
_OTHER_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip"}
_END = b"\x00end of archive\n"
"""A line that we add to every compressed file as a frame of its own: where it does not come out, the file was cut."""


class ArchiveSource:
    """Streams one archive file."""

    name = "archive"

    def __init__(self, path: Path, batch_documents: int = BATCH_DOCUMENTS) -> None:
        """Take ``path`` for a crawl.

        Raises:
            SourceNotFound: there is no such file.
        """
        if not _is_file(path):
            raise SourceNotFound(f"There is no archive file at {path}; give the path of an .ndjson or .zst file.")
        self.path = path
        self.counts = SourceCounts()
        self._batch_documents = batch_documents

    def search(self, campaign: Campaign, since: datetime | None = None) -> Iterator[Batch]:
        """Batches of matching documents, in the file's order. ``since`` is ignored: ``post_age`` judges and counts.

        Raises:
            SourceFailed: the file cannot be read on.
        """
        batch: list[Document] = []
        failure: SourceFailed | None = None
        try:
            for document in self._documents(campaign):
                batch.append(document)
                if len(batch) >= self._batch_documents:
                    yield Batch(batch)
                    batch = []
        except SourceFailed as error:
            failure = error
        if batch:
            yield Batch(batch)
        if failure:
            raise failure

    def named(self, reddit_ids: Collection[str]) -> list[Document]:
        """The documents with these fullnames, whatever their keywords, in the file's order; some may be missing.

        Raises:
            SourceFailed: the file cannot be read on.
        """
        wanted = set(reddit_ids)
        found: list[Document] = []
        for number, thing in self._things():
            try:
                document = from_reddit(thing, self.name)
            except MalformedDocument as error:
                self.counts.add_malformed(f"line {number}", str(error))
                continue
            if document.reddit_id in wanted:
                found.append(document)
        return found

    def look_up_subreddits(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` as it is: an archive's records carry all the facts there are."""
        return frame

    def look_up_authors(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` as it is."""
        return frame

    def close(self) -> None:
        """Nothing: the file is closed when it was read."""

    def _documents(self, campaign: Campaign) -> Iterator[Document]:
        matched = (self._match(number, thing, campaign) for number, thing in self._things())
        return (document for document in matched if document is not None)

    def _things(self) -> Iterator[tuple[int, dict[str, object]]]:
        """Every Reddit object in the file with its line's number; other lines are counted as malformed."""
        for number, line in enumerate(self._lines(), start=1):
            if line is not None and not line.strip():
                continue
            self.counts.read += 1
            thing = self._parse(number, line)
            if thing is not None:
                yield number, thing

    def _lines(self) -> Iterator[bytes | None]:
        """The file's lines; None for one that is too long.

        Raises:
            SourceFailed: the file cannot be read to its end.
        """
        try:
            with self.path.open("rb") as raw, _decompressed(raw) as (stream, end):
                while line := stream.readline(MAX_LINE_BYTES):
                    if line == end:
                        return
                    whole = line.endswith(b"\n") or len(line) < MAX_LINE_BYTES
                    yield line if whole else None
                    while not whole:
                        rest = stream.readline(MAX_LINE_BYTES)
                        whole = rest.endswith(b"\n") or len(rest) < MAX_LINE_BYTES
        except (zstandard.ZstdError, OSError) as error:
            raise self._failure(str(error)) from error
        if end is not None:
            raise self._failure("it ends in the middle of a compressed frame")

    def _failure(self, why: str) -> SourceFailed:
        return SourceFailed(
            f"{self.path} cannot be read past record {self.counts.read} ({why}); "
            "what came before is stored; fetch the file again and repeat the run."
        )

    def _parse(self, number: int, line: bytes | None) -> dict[str, object] | None:
        if line is None:
            self.counts.add_malformed(f"line {number}", f"longer than {MAX_LINE_BYTES // 2**20} MiB")
            return None
        try:
            thing = json.loads(line)
        except (ValueError, RecursionError) as error:
            self.counts.add_malformed(f"line {number}", f"not JSON ({str(error)[:80]})")
            return None
        if not isinstance(thing, dict):
            self.counts.add_malformed(f"line {number}", "not a JSON object")
            return None
        return thing

    def _match(self, number: int, thing: Mapping[str, object], campaign: Campaign) -> Document | None:
        # Most records match nothing: ask that of the raw text before a document is made of it.
        if not campaign.keyword_matcher.may_match(_raw_text(thing)):
            return None
        try:
            document = from_reddit(thing, self.name)
        except MalformedDocument as error:
            self.counts.add_malformed(f"line {number}", str(error))
            return None
        keywords = campaign.keywords_in(document) if campaign.wants(document) else ()
        if not keywords:
            return None
        if is_gone(thing):
            self.counts.deleted += 1
            return None
        self.counts.matched += 1
        return replace(document, matched_keywords=keywords)


class _WithEnd:
    """A compressed file and one more frame, of the line ``_END``."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._last = zstandard.ZstdCompressor().compress(b"\n" + _END)

    def read(self, size: int) -> bytes:
        wanted = size - len(self._last)
        chunk = self._raw.read(wanted)
        if len(chunk) < wanted:
            chunk, self._last = chunk + self._last, b""
        return chunk


class _Decompressed(io.RawIOBase):
    """What a file decompresses to, a block at a time: what stands before damage is given before the error."""

    def __init__(self, raw: BinaryIO) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self._reader = decompressor.stream_reader(_WithEnd(raw), read_across_frames=True)  # type: ignore[arg-type]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._reader.readinto1(buffer)


@contextmanager
def _decompressed(raw: BinaryIO) -> Iterator[tuple[BinaryIO, bytes | None]]:
    """``raw`` as it is, or what it decompresses to and the line that must be its last."""
    start = raw.read(6)
    raw.seek(0)
    for magic, name in _OTHER_COMPRESSIONS.items():
        if start.startswith(magic):
            raise SourceFailed(f"{raw.name} is compressed with {name}; decompress it, or compress it with zstd.")
    compressed = _ZSTD_MAGIC.match(start) is not None
    if not compressed:
        yield raw, None
        return
    with io.BufferedReader(_Decompressed(raw), 2**20) as stream:
        yield stream, _END


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _raw_text(thing: Mapping[str, object]) -> str:
    parts = [part for key in ("title", "selftext", "body") if isinstance(part := thing.get(key), str)]
    return "\n\n".join(parts)
