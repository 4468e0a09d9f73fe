"""A file of records as pieces of UTF-8: plain or Zstandard, in any Unicode encoding, and whether it was cut."""

import codecs
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from lead_assets.domain.errors import SourceFailed

ZSTD_WINDOW = 2**31
"""The monthly dumps are compressed with a window of up to 2 GiB."""
MAX_LINE_BYTES = 16 * 2**20
"""A Reddit object is a few kilobytes; a longer line is no record, and must not fill the memory."""
_ZSTD_MAGIC = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
"""What a frame begins with, or a skippable frame, which pzstd writes first."""
_OTHER_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip"}
_END = b"\x00end of archive\n"
"""A line that we add to every compressed file as a frame of its own: where it does not come out, the file was cut."""
_CHARACTERS_AT_ONCE = 2**16


class FileDamaged(Exception):
    """A file cannot be read to its end; the message says why."""


def pieces(path: Path) -> Iterator[bytes]:
    """The file's lines as UTF-8; one of more than ``MAX_LINE_BYTES`` comes in several pieces.

    Raises:
        FileDamaged: the file cannot be read to its end.
        SourceFailed: it is compressed or encoded in a way that is not read.
    """
    try:
        with path.open("rb") as raw, _decompressed(raw) as (stream, end):
            while piece := stream.readline(MAX_LINE_BYTES):
                if piece == end:
                    return
                yield piece
    except (zstandard.ZstdError, OSError) as error:
        raise FileDamaged(str(error)) from error
    if end is not None:
        raise FileDamaged("it ends in the middle of a compressed frame")


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
    start = raw.read(8)
    raw.seek(0)
    for magic, name in _OTHER_COMPRESSIONS.items():
        if start.startswith(magic):
            raise SourceFailed(f"{raw.name} is compressed with {name}. Decompress it, or compress it with zstd.")
    compressed = _ZSTD_MAGIC.match(start) is not None
    if not compressed:
        encoding = _encoding(start)
        if encoding.startswith("utf-8"):
            yield raw, None
            return
        with io.BufferedReader(_AsUtf8(raw, encoding), 2**20) as stream:
            yield stream, None
        return
    with io.BufferedReader(_Decompressed(raw), 2**20) as stream:
        encoding = _encoding(stream.peek(8)[:8])
        if not encoding.startswith("utf-8"):
            raise SourceFailed(f"{raw.name} is {encoding.upper()} within zstd. Decompress it, or convert it to UTF-8.")
        yield stream, _END


def _encoding(start: bytes) -> str:
    """By a byte order mark, or by the zeros beside the first bracket."""
    is_told = start.startswith(
        (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\x00\x00\xfe\xff", b"{", b"[", b"\x1e", b"\x00")
    )
    return json.detect_encoding(start) if is_told else "utf-8"


class _AsUtf8(io.RawIOBase):
    """A file in another Unicode encoding, as UTF-8; what is no character becomes U+FFFD."""

    def __init__(self, raw: BinaryIO, encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            chunk = self._raw.read(_CHARACTERS_AT_ONCE)
            self._ready = self._decoder.decode(chunk, final=not chunk).encode("utf-8", errors="replace")
            if not chunk:
                break
        given, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)
