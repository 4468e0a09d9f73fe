"""Everything about one document of a campaign, from what is stored and the settings in force."""

import contextlib
from typing import Any

import pandas as pd
from rich.table import Table

from lead_assets.cli.state import cell, console, opened_database
from lead_assets.defs.assets.rank import settings_for
from lead_assets.defs.resources import Brief, RunSettings, make_embedder
from lead_assets.domain.candidate import EXCLUDED
from lead_assets.domain.document import short_url, typed
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.gates import DEDUPLICATION, GATES, RANK_GATES, Gate, gate_digest, judge
from lead_assets.domain.ranking import contributions
from lead_assets.domain.settings import Settings
from lead_assets.storage.leads import read_other_places
from lead_assets.storage.statistics import read_explanation

Row = dict[str, Any]
STALE = "stale: it was read for an earlier product or by an earlier model, and not again yet"


def explain_document(campaign_id: str, reddit_id: str) -> dict[str, Any]:
    """What is known of a document: what became of it, each gate, each score component, and the extraction.

    Raises:
        InvalidInput: the campaign never met it.
    """
    brief = RunSettings().brief(campaign_id)
    with contextlib.closing(make_embedder(brief)) as embedder:
        settings = settings_for(brief, embedder)
    with opened_database() as database, database.connect() as connection:
        found = read_explanation(connection, campaign_id, reddit_id)
        places = read_other_places(connection, campaign_id, reddit_id)
    if found["documents"] is None and found["rejections"] is None:
        raise InvalidInput(
            f"Campaign {campaign_id} has not met {reddit_id}; give a link or a fullname such as t3_abc123 of a crawled "
            "document (it may also match no keyword, or be excluded)."
        )
    about = found["documents"] or found["rejections"]
    assert about is not None
    lead = found["leads"] or {}
    return {
        "campaign": campaign_id,
        "reddit_id": reddit_id,
        "url": about["url"],
        "title": about["title"],
        "outcome": _outcome(found),
        "other_places": places,
        "crawl": _crawl(found),
        "gates": _gates(found, brief, settings),
        "score": _score(found["candidates"], settings),
        "extraction": _extraction(found["extractions"]),
        "relevance_score": lead.get("relevance_score"),
    }


def _outcome(found: dict[str, Row | None]) -> str:
    rejection, candidate, document = found["rejections"], found["candidates"], found["documents"]
    if rejection is not None:
        return f"rejected by {rejection['gate']}"
    if found["qualified"] is not None:
        return "qualified lead" + (f", {STALE}" if found["qualified"]["stale"] else "")
    if candidate is None or document is None or candidate["text_hash"] != document["text_hash"]:
        return "kept by the crawl, not ranked yet"
    if candidate["gate"] == EXCLUDED:
        return "excluded by the campaign's lists"
    if candidate["duplicate_of"]:
        return f"repeats {candidate['duplicate_of']}"
    extraction = found["extractions"]
    if extraction is None or extraction["text_hash"] != document["text_hash"]:
        return "kept candidate, not read yet"
    if extraction["status"] != "ok":
        return "could not be read"
    read = "read as a lead, not persisted yet" if extraction["extraction"]["is_lead"] else "read, not a lead"
    return read + (f"; {STALE}" if extraction["stale"] else "")


def _crawl(found: dict[str, Row | None]) -> Row:
    document, sighting = found["documents"] or {}, found["sightings"] or {}
    return {
        "source": (found["documents"] or found["rejections"] or {}).get("source"),
        "seen_at": sighting.get("seen_at"),
        "judged_as_of": document.get("judged_as_of"),
        "matched_keywords": document.get("matched_keywords"),
        "stored": found["documents"] is not None,
    }


def _gates(found: dict[str, Row | None], brief: Brief, settings: Settings) -> list[Row]:
    frame = _frame(found)
    rejection = found["rejections"]
    explained: list[Row] = []
    for gate in GATES:
        row: Row = {
            "gate": gate.name,
            "setting": gate.setting,
            "threshold": gate.threshold(settings),
            "set_by": brief.set_by(gate.setting),
        }
        if gate is DEDUPLICATION:
            row |= _deduplication(found["sightings"], settings, brief)
        elif rejection is not None and rejection["gate"] == gate.name:
            # As it was decided: the setting may have changed since.
            row |= {
                "observed": rejection["observed"],
                "threshold": rejection["threshold"],
                "outcome": "rejected" if rejection["observed"] is not None else "rejected as unknown",
            }
            if rejection["threshold"] != float(gate.threshold(settings)):
                row["set_by"] = "the run that rejected it"
        elif rejection is not None and _comes_after(gate, rejection["gate"]):
            row |= {"observed": None, "outcome": "not reached"}
        elif frame is not None and (gate not in RANK_GATES or found["candidates"] is not None):
            row |= _judged(gate, frame, settings, brief)
        elif rejection is not None and gate.name in rejection["observed_values"]:
            observed = rejection["observed_values"][gate.name]
            row |= {"observed": observed, "outcome": "unknown, kept" if observed is None else "kept"}
        else:
            row |= {"observed": None, "outcome": "not reached"}
        explained.append(row)
    return explained


def _comes_after(gate: Gate, name: str) -> bool:
    order = [each.name for each in GATES]
    return order.index(gate.name) > order.index(name)


def _frame(found: dict[str, Row | None]) -> pd.DataFrame | None:
    """The document beside its candidate's components, as the gates look at it; None where it is not stored."""
    if found["documents"] is None:
        return None
    frame = typed(pd.DataFrame([found["documents"] | (found["candidates"] or {})]))
    return frame.assign(judged_as_of=pd.to_datetime(frame["judged_as_of"], utc=True))


def _judged(gate: Gate, frame: pd.DataFrame, settings: Settings, brief: Brief) -> Row:
    verdict = judge(gate, frame, settings, brief.campaign.unknown)
    observed, unknown, kept = verdict.observed.iloc[0], bool(verdict.unknown.iloc[0]), bool(verdict.kept.iloc[0])
    outcome = "off" if gate.off(settings) else "kept" if kept else "rejected now; run the campaign again"
    return {
        "observed": None if pd.isna(observed) else float(observed),
        "outcome": f"unknown, {outcome}" if unknown and kept and not gate.off(settings) else outcome,
    }


def _deduplication(sighting: Row | None, settings: Settings, brief: Brief) -> Row:
    if sighting is None:
        return {"observed": None, "outcome": "kept"}
    age = float(sighting["age_seconds"])
    if sighting["gate_digest"] != gate_digest(settings, brief.campaign.unknown, brief.as_of):
        return {"observed": age, "outcome": "judged; will be judged again, as the gate settings have changed"}
    left = settings.reddit_dedup_ttl_seconds - age
    again = f"a crawl within {left / 3600:.0f} hours skips it" if left > 0 else "the next crawl judges it again"
    return {"observed": round(age, 1), "outcome": f"judged; {again}"}


def _score(candidate: Row | None, settings: Settings) -> Row | None:
    if candidate is None:
        return None
    parts = contributions(pd.DataFrame([candidate]), settings.weights).iloc[0]
    names = tuple(parts.index)
    return {
        "fused_score": candidate["fused_score"],
        "components": {name: {"value": candidate[name], "contribution": float(parts[name])} for name in names},
        "keyword_hits": candidate["keyword_hits"],
        "model": candidate["model"],
        "duplicate_of": candidate["duplicate_of"],
        "ranked_at": candidate["ranked_at"],
    }


def _extraction(row: Row | None) -> Row | None:
    if row is None:
        return None
    about = (
        *("extractor", "model", "status", "error"),
        *("removed_quotes", "removed_contacts", "attempts", "extracted_at"),
    )
    is_current = row.get("stale") is False
    return {name: row[name] for name in about} | {"is_current": is_current, "extraction": row["extraction"]}


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
    if explanation["score"]:
        _print_score(explanation["score"])
    if explanation["extraction"]:
        _print_extraction(explanation["extraction"], explanation["relevance_score"])


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
