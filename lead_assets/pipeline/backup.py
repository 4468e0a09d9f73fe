"""Backup and restore: every table to the row, and the campaign files, in one file and back.

Typesense is not saved: it is filled again from PostgreSQL.
"""

import hashlib
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import psycopg2
import sqlalchemy as sa

from lead_assets.config.environment import campaign_paths
from lead_assets.domain.errors import BackupFailed, BackupInvalid, CampaignBusy, DatabaseUnavailable, InvalidInput
from lead_assets.files import PRIVATE, replacing
from lead_assets.pipeline.backup_file import (
    CAMPAIGN_NAME,
    FORMAT,
    MANIFEST,
    MAX_CAMPAIGN_BYTES,
    BackupFile,
    Manifest,
    Measuring,
    Member,
    TableMember,
    campaign_member,
    damaged,
    open_backup,
    table_member,
)
from lead_assets.pipeline.index import repair
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import Database
from lead_assets.storage.deletions import campaigns_with_deleted, purge_deleted
from lead_assets.storage.migrate import known_revisions
from lead_assets.storage.schema import REVISION
from lead_assets.storage.statistics import read_campaign_stats
from lead_assets.storage.table_copies import (
    TABLES,
    columns_of,
    copy_in,
    copy_out,
    empty_all,
    is_written,
    replacing_all,
    rows_stored,
    set_sequences,
    snapshot,
)

Say = Callable[[str], object]


def write_backup(database: Database, campaigns: Path, path: Path, on_progress: Say = lambda _: None) -> Manifest:
    """Write what is stored and the files of the folder ``campaigns`` to ``path``, readable by its owner only.

    All of it is of one moment, whatever runs meanwhile. Where it fails, there is no file.

    Raises:
        InvalidInput: ``path`` is there already.
        BackupFailed: a file cannot be read or written.
        DatabaseUnavailable, SchemaOutOfDate: see ``Database.check``.
    """
    if path.exists():
        raise InvalidInput(f"{path} is there already. Give another name.")
    database.check()
    try:
        with replacing(path, mode=PRIVATE) as file, _writing(file) as archive:
            with snapshot(database) as connection:
                tables = {name: _save_table(connection, table, archive, on_progress) for name, table in TABLES.items()}
            files = {each.name: _save_campaign(each, archive) for each in _campaign_paths(campaigns)}
            made_at = datetime.now(UTC).isoformat(timespec="seconds")
            manifest = Manifest(
                format=FORMAT,
                version=version("lead_assets"),
                revision=REVISION,
                made_at=made_at,
                tables=tables,
                campaigns=files,
            )
            archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))
    except OSError as error:
        raise BackupFailed(
            f"{error.filename or path} cannot be read or written ({error.strerror or error}). There is no backup."
        ) from None
    return manifest


def _writing(file: TextIOWrapper) -> zipfile.ZipFile:
    binary: Any = file.buffer  # a BufferedWriter, of which the type stubs do not know that it is a file
    return zipfile.ZipFile(binary, "w", zipfile.ZIP_DEFLATED)


def _campaign_paths(folder: Path) -> list[Path]:
    """The campaign files; what no run could take, because it is named otherwise or too large, is not one."""
    paths = campaign_paths(folder) if folder.is_dir() else []
    return [
        path
        for path in paths
        if CAMPAIGN_NAME.fullmatch(path.name) and path.is_file() and path.stat().st_size <= MAX_CAMPAIGN_BYTES
    ]


def _save_table(connection: sa.Connection, table: sa.Table, archive: zipfile.ZipFile, on_progress: Say) -> TableMember:
    on_progress(f"Saving {table.name}")
    with archive.open(table_member(table.name), "w", force_zip64=True) as file:
        measured = Measuring(file)
        rows = copy_out(connection, table, measured)
    return TableMember(bytes=measured.bytes, sha256=measured.sha256, rows=rows, columns=columns_of(table))


def _save_campaign(path: Path, archive: zipfile.ZipFile) -> Member:
    content = path.read_bytes()
    archive.writestr(campaign_member(path.name), content)
    return Member(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def restore_backup(
    database: Database, index: SearchIndex, campaigns: Path, path: Path, *, replace: bool, on_progress: Say
) -> Manifest:
    """Store what the backup at ``path`` has, and nothing else; then make the search index equal to it.

    Tables are restored in one transaction. With ``replace`` it takes the place of what is stored; but what is on the
    list of what was deleted on Reddit stays on it, and goes from what is restored. An index that cannot be filled is
    filled by each campaign's next run.

    Raises:
        BackupInvalid: the file is not a whole backup, or is one of another schema.
        InvalidInput: something else is stored, and ``replace`` is not given.
        CampaignBusy: a run writes.
        BackupFailed: a campaign file cannot be written.
        SearchUnavailable: all is restored but the index.
    """
    with open_backup(path) as backup:
        _require_this_schema(path, backup.manifest)
        _require_empty(database, campaigns, backup, replace)
        with database.connect() as connection:
            _require_no_run(connection)
            before = set(read_campaign_stats(connection))
        try:
            _restore(database, campaigns, path, backup, replace, on_progress)
        except OSError as error:
            raise BackupFailed(
                f"{error.filename or campaigns} cannot be written ({error.strerror or error}). Make room or rights "
                "there, then restore again with --replace."
            ) from None
    _fill_index(database, index, before, on_progress)
    return backup.manifest


def _require_this_schema(path: Path, manifest: Manifest) -> None:
    if (manifest.format, manifest.revision) == (FORMAT, REVISION):
        return
    if manifest.format <= FORMAT and manifest.revision in known_revisions():
        raise BackupInvalid(
            f"{path} was made by version {manifest.version}, whose schema {manifest.revision} is older than "
            f"{REVISION}. Restore it with that version, then run `lead-assets up` of this one."
        )
    raise BackupInvalid(
        f"{path} was made by version {manifest.version}, whose schema {manifest.revision} this version does not know "
        f"(its own is {REVISION}). Update lead_assets, then restore."
    )


def _require_empty(database: Database, campaigns: Path, backup: BackupFile, replace: bool) -> None:
    """Nothing is lost unless somebody asked for it."""
    if replace:
        return
    with database.connect() as connection:
        rows = rows_stored(connection)
    if rows:
        raise InvalidInput(
            f"PostgreSQL at {database.address} has {rows} rows. Give --replace to restore in their place, or name an "
            "empty database with DATABASE_URL."
        )
    for name, content in backup.campaign_files():
        there = campaigns / name
        if there.exists() and there.read_bytes() != content:
            raise InvalidInput(
                f"{there} is another file than the backup's. Give --replace to overwrite it, or move it away."
            )


def _restore(
    database: Database, campaigns: Path, path: Path, backup: BackupFile, replace: bool, on_progress: Say
) -> None:
    """Tables and campaign files; the files take their places when the tables have been committed."""
    campaigns.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files, replacing_all(database) as connection:
        _require_no_run(connection)
        if not replace and rows_stored(connection):
            raise InvalidInput("Something was stored meanwhile. Give --replace to restore in its place.")
        empty_all(connection)
        for name, table in TABLES.items():
            on_progress(f"Restoring {name}")
            _restore_table(connection, table, path, backup)
        set_sequences(connection)
        for campaign_id in campaigns_with_deleted(connection):
            purge_deleted(connection, campaign_id)
        for name, content in backup.campaign_files():
            files.enter_context(replacing(campaigns / name)).buffer.write(content)


def _require_no_run(connection: sa.Connection) -> None:
    if is_written(connection):
        raise CampaignBusy("A run is writing a campaign. Wait for its end, then restore.")


def _restore_table(connection: sa.Connection, table: sa.Table, path: Path, backup: BackupFile) -> None:
    expected = backup.manifest.tables.get(table.name)
    if expected is None:
        raise damaged(path, f"table {table.name} is missing")
    try:
        with backup.reading(table_member(table.name), expected) as file:
            rows = copy_in(connection, table, expected.columns, file)
    except psycopg2.Error as error:
        if error.pgcode is None:
            raise DatabaseUnavailable(
                f"PostgreSQL stopped answering ({str(error).strip()[:100]}). Nothing was restored. Try again."
            ) from None
        raise damaged(path, f"{table.name}: {str(error).strip().splitlines()[0]}") from None
    if rows != expected.rows:
        raise damaged(path, f"{table.name} has {rows} rows instead of {expected.rows}")


def _fill_index(database: Database, index: SearchIndex, before: set[str], on_progress: Say) -> None:
    """Make the index equal to what is stored now, also of campaigns that are not stored any more."""
    collection = index.ensure()
    with database.connect() as connection, connection.begin():
        for campaign_id in sorted(before | set(read_campaign_stats(connection))):
            repair(connection, index, collection, campaign_id, on_progress)
