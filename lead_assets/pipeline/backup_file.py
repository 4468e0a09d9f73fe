"""A backup: one zip file with a manifest, a member for each table, and one for each campaign file.

Everything in a file that is read is untrusted: names, sizes and checksums are compared before anything is believed.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lead_assets.domain.campaign import CAMPAIGN_ID
from lead_assets.domain.errors import BackupInvalid
from lead_assets.storage.table_copies import TABLES

FORMAT = 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 16 * 2**20
MAX_CAMPAIGN_BYTES = 256 * 1024
"""As large as a campaign file may be."""
_MOST_EXPANDED, _SMALL = 200, 2**20
"""A member of more than a megabyte that is more than so many times smaller than its content is no backup of ours: rows
have keys, which do not compress so."""
CAMPAIGN_NAME = re.compile(rf"{CAMPAIGN_ID.pattern}\.ya?ml")
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError)
"""What reading a broken zip file raises."""


class Member(BaseModel):
    """What a member of the file must be: its size in bytes and SHA-256, as it is unpacked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class TableMember(Member):
    """A table's rows, in COPY's text format, and the order of its columns."""

    rows: int = Field(ge=0)
    columns: list[str]


class Manifest(BaseModel):
    """What is in a backup."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    version: str
    """Of the program that made it."""
    revision: str
    """Of the schema."""
    made_at: str
    tables: dict[str, TableMember]
    campaigns: dict[str, Member]


class Measuring:
    """Passes bytes on, and measures them."""

    def __init__(self, file: IO[bytes]) -> None:
        """Nothing has passed yet."""
        self._file = file
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        """Write on."""
        self._take(data)
        return self._file.write(data)

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        data = self._file.read(size)
        self._take(data)
        return data

    def _take(self, data: bytes) -> None:
        self.bytes += len(data)
        self._hash.update(data)

    @property
    def sha256(self) -> str:
        """Of all that has passed."""
        return self._hash.hexdigest()


def table_member(name: str) -> str:
    """The member with a table's rows."""
    return f"tables/{name}.copy"


def campaign_member(name: str) -> str:
    """The member with a campaign file."""
    return f"campaigns/{name}"


class BackupFile:
    """An opened backup, whose manifest and list of members were checked."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        """See ``open_backup``."""
        self.manifest = manifest
        self._path, self._archive = path, archive

    def campaign_files(self) -> Iterator[tuple[str, bytes]]:
        """Campaign files by name.

        Raises:
            BackupInvalid: one is damaged.
        """
        for name, expected in self.manifest.campaigns.items():
            with self.reading(campaign_member(name), expected) as file:
                content = file.read()
            yield name, content

    @contextmanager
    def reading(self, member: str, expected: Member) -> Iterator[Measuring]:
        """A member's content, to be read to its end.

        Raises:
            BackupInvalid: it is damaged, or another than the manifest says.
        """
        try:
            with self._archive.open(member) as file:
                measured = Measuring(file)
                yield measured
        except _DAMAGE as error:
            raise damaged(self._path, f"{member}: {error}") from None
        if (measured.bytes, measured.sha256) != (expected.bytes, expected.sha256):
            raise damaged(self._path, f"{member} is not what its manifest says")


def damaged(path: Path, why: str) -> BackupInvalid:
    """The error of a file that cannot be restored."""
    return BackupInvalid(f"{path} is damaged ({why[:200]}). Nothing was restored. Give another backup.")


@contextmanager
def open_backup(path: Path) -> Iterator[BackupFile]:
    """The backup at ``path``.

    Raises:
        BackupInvalid: it cannot be read, or is not a backup.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise BackupInvalid(f"{path} is not a whole backup. Give a file that `lead-assets backup` wrote.") from None
    except OSError as error:
        raise BackupInvalid(f"{path} cannot be read ({error.strerror or error}).") from None
    with archive:
        manifest = _read_manifest(path, archive)
        _check_members(path, archive, manifest)
        yield BackupFile(path, archive, manifest)


def _read_manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    try:
        if archive.getinfo(MANIFEST).file_size > MAX_MANIFEST_BYTES:
            raise damaged(path, "its manifest is too large")
        return Manifest.model_validate_json(archive.read(MANIFEST))
    except KeyError:
        raise BackupInvalid(f"{path} has no manifest. Give a file that `lead-assets backup` wrote.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise damaged(path, f"its manifest says something else at {where!r} than one does: {first['msg']}") from None
    except _DAMAGE as error:
        raise damaged(path, f"{MANIFEST}: {error}") from None


def _check_members(path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    expected: dict[str, Member] = {table_member(name): table for name, table in manifest.tables.items()}
    expected |= {campaign_member(name): file for name, file in manifest.campaigns.items()}
    found = [info.filename for info in archive.infolist()]
    if sorted(found) != sorted([MANIFEST, *expected]):
        raise damaged(path, "it has other members than its manifest names")
    if manifest.format == FORMAT and set(manifest.tables) - set(TABLES):
        raise damaged(path, "it has tables that are not ours")
    for name, file in manifest.campaigns.items():
        if not CAMPAIGN_NAME.fullmatch(name):
            raise damaged(path, f"{name[:80]!r} cannot be the name of a campaign file")
        if file.bytes > MAX_CAMPAIGN_BYTES:
            raise damaged(path, f"{name} is larger than a campaign file may be")
    for info in archive.infolist():
        if info.filename in expected and info.file_size != expected[info.filename].bytes:
            raise damaged(path, f"{info.filename} has another size than the manifest says")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged(path, f"{info.filename} is compressed in another way than ours")
        if info.file_size > _SMALL and info.file_size > _MOST_EXPANDED * info.compress_size:
            raise damaged(path, f"{info.filename} expands to more than rows do")


def described(manifest: Manifest) -> Mapping[str, Any]:
    """A manifest for a person or program: when, of which version, and how many rows of which table."""
    return {
        "made_at": manifest.made_at,
        "version": manifest.version,
        "revision": manifest.revision,
        "campaigns": sorted(manifest.campaigns),
        "rows": {name: table.rows for name, table in manifest.tables.items() if table.rows},
    }
