"""``train`` and what ``evaluate --leave-one-out`` prints: lead models from labelled campaigns, without a server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from lead_assets.cli.state import console, echo_json, errors
from lead_assets.config.environment import Environment
from lead_assets.config.lead_models import write_lead_model
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.lead_training import LabelledCampaign
from lead_assets.domain.settings import Layer, Settings, resolve
from lead_assets.models.local_embedder import LocalEmbedder
from lead_assets.pipeline.evaluate import OPEN_AGE_GATE
from lead_assets.pipeline.golden_files import GoldenFile, read_golden
from lead_assets.pipeline.labelled import CachedEmbedder, labelled_campaign
from lead_assets.pipeline.leave_one_out import judge_left_out, left_out_models, report
from lead_assets.pipeline.train_model import trained_model

vectors_option = click.option(
    "--vectors", type=click.Path(path_type=Path, dir_okay=False), help="Keep the texts' vectors in this file (.npz)."
)


@click.command()
@click.argument("golden", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@click.option("--without-vectors", is_flag=True, help="For any embedder: read neither vectors nor cosines.")
@vectors_option
def train(golden: tuple[Path, ...], output: Path, without_vectors: bool, vectors: Path | None) -> None:
    """Train a lead model on labelled campaigns, each a GOLDEN.json with its archive beside it.

    The same files give the same bytes. Use the model with the setting LEAD_MODEL.
    """
    files, campaigns, embedder = labelled(golden, vectors)
    model = trained_model(files, campaigns, None if without_vectors else embedder, evaluation_settings({}, embedder))
    try:
        write_lead_model(model, output)
    except OSError as error:
        raise InvalidInput(f"{output} cannot be written ({error.strerror}). Give another --output.") from None
    console.print(f"Trained on {model.card['labelled']} documents of {len(files)} campaigns: {output}", soft_wrap=True)


def labelled(golden: Sequence[Path], vectors: Path | None) -> tuple[list[GoldenFile], list[LabelledCampaign], str]:
    """The golden files, their labelled documents as a lead model reads them, and the local embedder's model."""
    files = [read_golden(path, None, "labelled") for path in golden]
    with errors.status("…") as status:
        embedder = CachedEmbedder(LocalEmbedder(), vectors, status.update)
        return files, [labelled_campaign(file, embedder) for file in files], embedder.model


def evaluation_settings(assigned: Mapping[str, Any], embedder: str) -> Settings:
    """The environment's settings with the age gate open, and ``assigned`` above them."""
    from lead_assets.domain.thresholds import cosine_threshold_of

    layers = [
        Layer("environment", Environment.read().settings),
        Layer("evaluation", OPEN_AGE_GATE),
        Layer("--set", assigned),
    ]
    return resolve(layers).settings.with_cosine_threshold(cosine_threshold_of(embedder))


def write_left_out_models(golden: Sequence[Path], vectors: Path | None, folder: Path) -> list[Path]:
    """For each golden file a model of the others, as a file in ``folder``."""
    _, campaigns, embedder = _several(golden, vectors)
    paths = [folder / f"{place}.json" for place in range(len(campaigns))]
    for path, model in zip(paths, left_out_models(campaigns, embedder), strict=True):
        write_lead_model(model, path)
    return paths


def _several(golden: Sequence[Path], vectors: Path | None) -> tuple[list[GoldenFile], list[LabelledCampaign], str]:
    if len(golden) < 2:
        raise InvalidInput("--leave-one-out needs at least two golden files.")
    return labelled(golden, vectors)


def leave_one_out(
    golden: Sequence[Path], vectors: Path | None, assigned: Mapping[str, Any], marks: int | None, as_json: bool
) -> None:
    """Print what models that were trained on the other campaigns make of each."""
    files, campaigns, embedder = _several(golden, vectors)
    settings = evaluation_settings(assigned, embedder)
    found = {
        "with_vectors": report(judge_left_out(files, campaigns, settings, embedder), settings, marks),
        "any_embedder": report(judge_left_out(files, campaigns, settings, None), settings, marks),
    }
    if as_json:
        echo_json(found)
        return
    for name, each in found.items():
        _print_report(name.replace("_", " "), each)


WIDTH = 200
"""Characters of the table of all campaigns."""


def _print_report(name: str, found: Mapping[str, Any]) -> None:
    table = Table(title=f"Lead model, {name}: each campaign left out of training", title_justify="left")
    columns = (
        *("campaign", "leads", "nDCG@10", "AP", "fused", "recall", "precision", "past gates: nDCG@10", "AP", "fused"),
        *("leads kept", "recall", "precision", "bias", "marks: before", "after"),
    )
    for column in columns:
        table.add_column(column, justify="left" if column == "campaign" else "right")
    for row in found["campaigns"]:
        table.add_row(f"{row['campaign']}", f"{row['leads']} of {row['labelled']}", *_cells(row))
    for group, row in found["means"].items():
        table.add_row(f"mean, {group}", f"{row['campaigns']} campaigns", *_cells(row), style="bold")
    # Where it is wider than the terminal or the file, its lines go on: numbers that are cut off say nothing.
    console.print(table, width=WIDTH, crop=False)
    pooled = found["pooled"]
    console.print(f"Calibration error over {pooled['documents']} documents: {pooled['calibration_error']:.3f}")
    if drawn := pooled.get("random_sample"):
        console.print(
            f"Of {drawn['documents']} drawn at random {drawn['share_of_leads']:.3f} are leads, the mean probability is "
            f"{drawn['mean_probability']:.3f}, calibration error {drawn['calibration_error']:.3f}, recall "
            f"{drawn['recall']:.2f}, precision {_share(drawn['precision'])}"
        )


def _cells(row: Mapping[str, Any]) -> list[str]:
    offline, gates, marks = row["offline"], row["past_gates"], row.get("marks")
    cells = [
        *_pair(offline["probability"]),
        " / ".join(_pair(offline["fused"])),
        *(_share(offline.get(name)) for name in ("recall", "precision")),
        *_pair(gates["probability"]),
        " / ".join(_pair(gates["fused"])),
        *(_share(gates.get(name)) for name in ("gates_recall", "recall", "precision")),
        f"{row['bias']:.3f}",
    ]
    return cells + ([" / ".join(_pair(marks[name])) for name in ("before", "after")] if marks else ["–", "–"])


def _pair(measured: Mapping[str, float]) -> list[str]:
    return [f"{measured['ndcg@10']:.2f}", f"{measured['average_precision']:.2f}"]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
