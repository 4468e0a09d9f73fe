"""``export``: leads, candidates and rejections as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pandas as pd

from lead_assets.cli.state import campaign_argument, console, known_campaign, opened_database
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.frames import to_rows
from lead_assets.export import Record, flat_candidate, flat_lead, lead_columns, write_records
from lead_assets.files import replacing
from lead_assets.storage.candidates import read_candidates
from lead_assets.storage.corpus import read_rejections
from lead_assets.storage.leads import LEAD_COLUMNS, read_qualified


@click.command()
@campaign_argument
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder (default: exports/CAMPAIGN)."
)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
def export(campaign_id: str, folder: Path | None, form: str) -> None:
    """Write leads, candidates and rejections of CAMPAIGN into files."""
    known_campaign(campaign_id)
    target = folder or Path("exports") / campaign_id
    with opened_database() as database, database.connect() as connection:
        tables = {
            "leads": (read_qualified(connection, campaign_id), lead_columns(LEAD_COLUMNS)),
            "candidates": _of_frame(read_candidates(connection, campaign_id)),
            "rejections": _of_frame(read_rejections(connection, campaign_id)),
        }
    flatten = {"leads": flat_lead, "candidates": flat_candidate, "rejections": dict}
    for name, (rows, columns) in tables.items():
        shown = [flatten[name](row) for row in rows] if form == "csv" else rows
        _write(target / f"{name}.{form}", shown, form, columns)
    written = ", ".join(f"{len(rows)} {name}" for name, (rows, _) in tables.items())
    console.print(f"Wrote {written} to {target}.", soft_wrap=True)


def _of_frame(frame: pd.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    return to_rows(frame), list(frame.columns)


def _write(path: Path, rows: Sequence[Record], form: str, columns: Sequence[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            write_records(file, rows, form, columns)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written ({error.strerror}). Choose another folder with --to.") from error
