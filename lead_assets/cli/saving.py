"""``backup`` and ``restore``: what is stored, in one file and back."""

from contextlib import closing
from pathlib import Path

import click

from lead_assets.cli.servers import bring_up
from lead_assets.cli.state import console, echo_json, errors, json_option, opened_database, opened_index
from lead_assets.config.environment import Environment
from lead_assets.domain.errors import BackupFailed, SearchUnavailable
from lead_assets.pipeline.backup import restore_backup, write_backup
from lead_assets.pipeline.backup_file import described, open_backup
from lead_assets.storage.database import Database

file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@file_argument
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Save all that is stored in PostgreSQL, and the campaign files, in FILE. It holds secrets."""
    with opened_database() as database, errors.status("Saving") as status:
        manifest = write_backup(database, Environment.read().campaigns, file, status.update)
    told = {"file": str(file), "bytes": file.stat().st_size, **described(manifest)}
    if as_json:
        echo_json(told)
        return
    rows = sum(told["rows"].values())
    console.print(
        f"Saved {rows:,} rows and {len(told['campaigns'])} campaign files in {file} ({told['bytes'] / 1e6:,.1f} MB).",
        soft_wrap=True,
    )


@click.command()
@file_argument
@click.option("--replace", is_flag=True, help="Also where something is stored: what the backup has takes its place.")
def restore(file: Path, replace: bool) -> None:
    """Store what FILE has, which `lead-assets backup` wrote, and fill the search index from it.

    Starts the embedded servers where you have none of your own.
    """
    with open_backup(file):
        pass  # a file that is no backup starts no servers
    bring_up()
    environment = Environment.read()
    with closing(Database(environment.database_url)) as database, opened_index() as index, errors.status("") as status:
        try:
            manifest = restore_backup(
                database, index, environment.campaigns, file, replace=replace, on_progress=status.update
            )
        except SearchUnavailable as error:
            raise BackupFailed(
                f"All is restored but the search index, which each campaign's next run fills. {error}"
            ) from None
    told = described(manifest)
    console.print(
        f"Restored {sum(told['rows'].values()):,} rows and {len(told['campaigns'])} campaign files of "
        f"{told['made_at']}.",
        soft_wrap=True,
    )
