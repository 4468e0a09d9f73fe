"""``evaluate``: how good the ranking is on labelled campaigns, and which gate loses which lead."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from lead_assets.cli import training
from lead_assets.cli.run_options import assigned, set_option
from lead_assets.cli.running import told_if_the_database_is_lost
from lead_assets.cli.state import cell, console, echo_json, errors, json_option, opened_database, opened_index
from lead_assets.cli.training import vectors_option, write_left_out_models
from lead_assets.config.environment import Environment
from lead_assets.domain.evaluation import METRICS, mean
from lead_assets.pipeline.evaluate import Conditions, evaluate, remove_abandoned
from lead_assets.pipeline.golden_files import GoldenFile, read_golden
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
@click.option("--graph", is_flag=True, help="With it: run each campaign through the graph under that model.")
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
    graph: bool,
    marks: int | None,
    vectors: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure the ranking on labelled campaigns, each a GOLDEN.json.

    Runs crawl to rank on exactly the given documents, with the age gate open, as a campaign of its own, and removes it
    afterwards.
    """
    if graph and not leave_one_out:
        raise click.UsageError("--graph belongs to --leave-one-out.")
    if leave_one_out and not graph:
        training.leave_one_out(golden, vectors, assigned(assignments), marks, as_json)
        return
    if marks is not None or (vectors is not None and not graph):
        raise click.UsageError("--marks and --vectors belong to --leave-one-out without --graph.")
    if as_of:
        parse_day(as_of)
    environment = Environment.read()
    with tempfile.TemporaryDirectory() as folder:
        chosen = assigned(assignments)
        models = write_left_out_models(golden, vectors, Path(folder)) if graph else []
        found = _evaluated(
            [read_golden(path, archive, "labelled") for path in golden],
            [chosen | {"LEAD_MODEL": str(model)} for model in models] or [chosen] * len(golden),
            lambda settings, on_step: Conditions(environment, as_of, settings, keep_vectors, on_step),
        )
    means = {name: mean([each["rankings"][name] for each in found]) for name in found[0]["rankings"]}
    lists = _mean_list(found)
    if as_json:
        echo_json({"campaigns": found, "mean": means, "mean_list": lists})
        return
    for each in found:
        _print_campaign(each)
    if len(found) > 1:
        console.print(_metrics_table(f"Mean of {len(found)} campaigns", means))
        console.print(_told(lists) + f" The gates keep {lists['gates_recall']:.2f} of the leads.", soft_wrap=True)


def _evaluated(
    files: Sequence[GoldenFile],
    settings: Sequence[Mapping[str, Any]],
    conditions: Callable[[Mapping[str, Any], Callable[[str], object]], Conditions],
) -> list[Any]:
    """What each file measures under its settings, on the configured servers."""
    with (
        told_if_the_database_is_lost(),
        opened_database() as database,
        opened_index() as index,
        errors.status("…") as status,
    ):
        for abandoned in remove_abandoned(database, index):
            errors.print(f"Removed what an ended evaluation had left behind ({abandoned}).", soft_wrap=True)

        def on_step(name: str) -> None:
            status.update(f"{name} …")

        return [
            evaluate(file, new_id(), conditions(each, on_step), database, index)
            for file, each in zip(files, settings, strict=True)
        ]


def _mean_list(found: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Recall and precision of the list, and recall after all gates: the mean over campaigns that have the figure."""
    figures = [each["list"] | {"gates_recall": each["steps"][-1]["lead_recall"]} for each in found]
    known = {name: [each[name] for each in figures if each[name] is not None] for name in figures[0]}
    return {name: sum(values) / len(values) if values else None for name, values in known.items()}


def _told(shown: Mapping[str, float | None]) -> str:
    precision = "–" if shown["precision"] is None else f"{shown['precision']:.2f}"
    return f"The list of leads shows {shown['recall']:.2f} of the leads; of its labelled documents {precision} are."


def _print_campaign(found: Mapping[str, Any]) -> None:
    counts = f"{found['documents']} documents, {found['labelled']} labelled, {found['leads']} leads"
    console.print(_metrics_table(f"{found['campaign']}: {counts}, {found['kept']} kept", found["rankings"]))
    console.print(_told(found["list"]))
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
