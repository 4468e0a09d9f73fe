"""``evaluate``: how good the ranking is on labelled campaigns, and which gate loses which lead."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from lead_assets.cli import training
from lead_assets.cli.run_options import assigned, set_option
from lead_assets.cli.running import told_if_the_database_is_lost
from lead_assets.cli.state import cell, console, echo_json, errors, json_option, opened_database, opened_index
from lead_assets.cli.training import vectors_option
from lead_assets.config.environment import Environment
from lead_assets.domain.evaluation import METRICS, mean
from lead_assets.pipeline.evaluate import Conditions, evaluate, remove_abandoned
from lead_assets.pipeline.golden_files import read_golden
from lead_assets.pipeline.run_context import parse_day
from lead_assets.storage.evaluations import new_id

OURS = "lead_assets"


@click.command("evaluate")
@click.argument("golden", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--archive", type=click.Path(path_type=Path), help="The documents (default: GOLDEN.ndjson.zst beside it)."
)
@click.option("--as-of", help="Day as of which ages are judged, such as 2020-11-30 (default: today).")
@click.option("--keep-vectors", is_flag=True, help="Keep the texts' vectors, so that a next evaluation is fast.")
@click.option(
    "--leave-one-out",
    is_flag=True,
    help="Judge each campaign by a lead model that was trained on the others; no server is needed.",
)
@click.option("--marks", type=click.IntRange(1, 1000), help="With it: mark the best so many, and measure the rest.")
@vectors_option
@set_option
@json_option
def evaluate_command(
    golden: tuple[Path, ...],
    archive: Path | None,
    as_of: str | None,
    keep_vectors: bool,
    leave_one_out: bool,
    marks: int | None,
    vectors: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure the ranking on labelled campaigns, each a GOLDEN.json.

    Runs crawl to rank on exactly the given documents, with the age gate open, as a campaign of its own, and removes it
    afterwards.
    """
    if leave_one_out:
        training.leave_one_out(golden, vectors, assigned(assignments), marks, as_json)
        return
    if marks is not None or vectors is not None:
        raise click.UsageError("--marks and --vectors belong to --leave-one-out.")
    if as_of:
        parse_day(as_of)
    environment = Environment.read()
    ids = [new_id() for _ in golden]
    files = [read_golden(path, archive, campaign_id) for path, campaign_id in zip(golden, ids, strict=True)]
    with (
        told_if_the_database_is_lost(),
        opened_database() as database,
        opened_index() as index,
        errors.status("…") as status,
    ):
        conditions = Conditions(
            environment, as_of, assigned(assignments), keep_vectors, lambda name: status.update(f"{name} …")
        )
        for abandoned in remove_abandoned(database, index):
            errors.print(f"Removed what an ended evaluation had left behind ({abandoned}).", soft_wrap=True)
        found = [
            evaluate(file, campaign_id, conditions, database, index)
            for file, campaign_id in zip(files, ids, strict=True)
        ]
    means = {name: mean([each["rankings"][name] for each in found]) for name in found[0]["rankings"]}
    if as_json:
        echo_json({"campaigns": found, "mean": means})
        return
    for each in found:
        _print_campaign(each)
    if len(found) > 1:
        console.print(_metrics_table(f"Mean of {len(found)} campaigns", means))


def _print_campaign(found: Mapping[str, Any]) -> None:
    counts = f"{found['documents']} documents, {found['labelled']} labelled, {found['leads']} leads"
    console.print(_metrics_table(f"{found['campaign']}: {counts}, {found['kept']} kept", found["rankings"]))
    shown = found["list"]
    precision = "–" if shown["precision"] is None else f"{shown['precision']:.2f}"
    console.print(
        f"The list of leads shows {shown['recall']:.2f} of the leads; of its labelled documents {precision} are."
    )
    _print_steps(found["steps"])


def _metrics_table(title: str, rankings: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("ranking")
    for metric in METRICS:
        table.add_column(metric, justify="right")
    for name, metrics in rankings.items():
        style = "bold" if name == OURS else None
        table.add_row(name, *(f"{metrics[metric]:.4f}" for metric in METRICS), style=style)
    return table


def _print_steps(steps: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title="Leads left after each step", title_justify="left")
    table.add_column("step", no_wrap=True)
    table.add_column("recall", justify="right")
    table.add_column("lost here", ratio=1)
    for step in steps:
        lost = [f"{each['reddit_id']} {each['title'] or '(not among the documents)'}" for each in step["lost"]]
        table.add_row(step["name"], f"{step['lead_recall']:.4f}", cell(" · ".join(lost)))
    console.print(table)
