"""``explain``: everything about one document."""

from typing import Any

import click
from rich.table import Table

from lead_assets.cli.state import campaign_argument, cell, console, echo_json, json_option, opened_database
from lead_assets.config.environment import Environment
from lead_assets.domain.document import fullname_in, short_url
from lead_assets.pipeline.explain import explain_document
from lead_assets.pipeline.run_context import resolve_run

MOST_PARTS = 12
"""The strongest parts are shown; ``--json`` has all."""


@click.command()
@campaign_argument
@click.argument("reddit_id", metavar="ID")
@json_option
def explain(campaign_id: str, reddit_id: str, as_json: bool) -> None:
    """Tell everything about one document of CAMPAIGN: each gate, each score, and what was read.

    ID is a fullname (t3_abc123), a post's id, or a link.
    """
    run = resolve_run(Environment.read(), campaign_id)
    with opened_database() as database:
        explanation = explain_document(database, run, fullname_in(reddit_id))
    if as_json:
        echo_json(explanation)
    else:
        print_explanation(explanation)


def print_explanation(explanation: dict[str, Any]) -> None:
    """Print an explanation for a person."""
    console.print(cell(f"{explanation['reddit_id']}: {explanation['outcome']}"), style="bold")
    console.print(cell(explanation["title"], 160))
    console.print(cell(explanation["url"]), style="blue", soft_wrap=True)
    for place in explanation["other_places"]:
        link = short_url(place["reddit_id"], place["url"])
        console.print(cell(f"also in r/{place['subreddit']} by {place['author'] or 'unknown author'}: {link}"))
    keywords = explanation["crawl"]["matched_keywords"]
    if keywords:
        console.print(cell(f"keywords: {', '.join(keywords)}"))
    gates = Table(title="Gates, in order", title_justify="left")
    for column in ("gate", "observed", "threshold", "outcome", "threshold set by"):
        gates.add_column(column, no_wrap=column == "gate")
    for row in explanation["gates"]:
        observed = "–" if row["observed"] is None else f"{row['observed']:g}"
        gates.add_row(row["gate"], observed, f"{row['threshold']}", row["outcome"], row["set_by"])
    console.print(gates)
    if explanation["probability"]:
        _print_probability(explanation["probability"])
    if explanation["score"]:
        _print_score(explanation["score"])
    if explanation["extraction"]:
        _print_extraction(explanation["extraction"], explanation["relevance_score"])


def _print_probability(told: dict[str, Any]) -> None:
    decides = "" if told["decides"] else " (RELEVANCE is fused, so it does not decide)"
    title = f"Probability {told['lead_probability']:.2f} that the author is a lead{decides}"
    table = Table(title=title, title_justify="left")
    for column in ("what speaks for or against it", "log-odds"):
        table.add_column(column, justify="right" if column == "log-odds" else "left")
    for part in told["parts"][:MOST_PARTS]:
        table.add_row(cell(part["about"]), f"{part['log_odds']:+.2f}")
    console.print(table)
    console.print(told["what_would_change_it"], soft_wrap=True)


def _print_score(score: dict[str, Any]) -> None:
    table = Table(title=f"Fused score {score['fused_score']:.3f}", title_justify="left")
    for column in ("component", "value", "moves the score by"):
        table.add_column(column, justify="left" if column == "component" else "right")
    for name, part in score["components"].items():
        # Adding 0.0 makes a plain zero of a negative one.
        table.add_row(name, f"{part['value']:.3f}", f"{part['contribution'] + 0.0:+.3f}")
    console.print(table)


def _print_extraction(extraction: dict[str, Any], relevance: float | None) -> None:
    scored = "" if relevance is None else f", relevance {relevance:.3f}"
    table = Table(title=f"Read by {extraction['model']} ({extraction['extractor']}){scored}", title_justify="left")
    table.add_column("field")
    table.add_column("value", ratio=1)
    for name, value in (extraction["extraction"] or {"error": extraction["error"]}).items():
        table.add_row(
            name, cell("; ".join(value) if isinstance(value, list) else value if value is not None else "–", 400)
        )
    console.print(table)
