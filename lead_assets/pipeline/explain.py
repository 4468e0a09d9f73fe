"""Explain: everything about one document of a campaign, from what is stored and the settings in force."""

from typing import Any

import pandas as pd

from lead_assets.config.lead_models import lead_model_for
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import own_text_of
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.frames import typed
from lead_assets.domain.gate_catalog import DEDUPLICATION, GATES, RANK_GATES, gate_digest
from lead_assets.domain.gates import EXCLUDED, Gate
from lead_assets.domain.judging import judge
from lead_assets.domain.lead_model import LeadModel, described, what_would_change
from lead_assets.domain.scoring import contributions
from lead_assets.domain.settings import Settings
from lead_assets.pipeline.run_context import RunContext, settings_of_ranking
from lead_assets.storage.database import Database
from lead_assets.storage.leads import read_other_places
from lead_assets.storage.statistics import read_explanation

Row = dict[str, Any]
STALE = "stale: it was read for an earlier product or by an earlier model, and not again yet"


def explain_document(database: Database, run: RunContext, reddit_id: str) -> dict[str, Any]:
    """What is known of a document: what became of it, each gate, each score component, and the extraction.

    Raises:
        InvalidInput: the campaign never met it.
    """
    campaign_id = run.campaign.id
    with database.connect() as connection:
        found = read_explanation(connection, campaign_id, reddit_id)
        places = read_other_places(connection, campaign_id, reddit_id)
    settings = settings_of_ranking(run, (found["candidates"] or {}).get("model"))
    if found["documents"] is None and found["rejections"] is None:
        raise InvalidInput(
            f"Campaign {campaign_id} has not seen {reddit_id}. Give a link or a fullname such as t3_abc123 of a "
            "crawled document (it may also match no keyword, or be excluded)."
        )
    about = found["documents"] or found["rejections"]
    assert about is not None
    lead = found["leads"] or {}
    return {
        "campaign": campaign_id,
        "reddit_id": reddit_id,
        "url": about["url"],
        "title": about["title"],
        "outcome": _outcome(found, settings),
        "other_places": places,
        "crawl": _crawl(found, run.campaign),
        "gates": _gates(found, run, settings),
        "score": _score(found["candidates"], settings),
        "probability": _probability(found["candidates"], lead, settings),
        "extraction": _extraction(found["extractions"]),
        "relevance_score": lead.get("relevance_score"),
    }


def _outcome(found: dict[str, Row | None], settings: Settings) -> str:
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
    score = (found["leads"] or {}).get("relevance_score")
    read = "read, not persisted yet" if score is None else f"read, not a lead: {score:.2f} is too low"
    if settings.relevance == "fused":
        read = "read as a lead, not persisted yet" if extraction["extraction"]["is_lead"] else "read, not a lead"
    return read + (f"; {STALE}" if extraction["stale"] else "")


def _crawl(found: dict[str, Row | None], campaign: Campaign) -> Row:
    document, sighting = found["documents"] or {}, found["sightings"] or {}
    return {
        "source": (found["documents"] or found["rejections"] or {}).get("source"),
        "seen_at": sighting.get("seen_at"),
        "judged_as_of": document.get("judged_as_of"),
        "matched_keywords": _keywords_now(document, campaign) if document else None,
        "stored": found["documents"] is not None,
    }


def _keywords_now(document: Row, campaign: Campaign) -> list[str]:
    """The campaign's keywords in a stored document: those of today, whatever a crawl matched by others has stored."""
    kind, title, body = (document[name] for name in ("kind", "title", "body"))
    return campaign.matched_keywords(own_text_of(kind, title, body), "" if kind == "comment" else title)


def _gates(found: dict[str, Row | None], run: RunContext, settings: Settings) -> list[Row]:
    frame = _frame(found)
    rejection = found["rejections"]
    explained: list[Row] = []
    for gate in GATES:
        row: Row = {
            "gate": gate.name,
            "setting": gate.setting,
            "threshold": gate.threshold(settings),
            "set_by": run.set_by(gate.setting),
        }
        if gate is DEDUPLICATION:
            row |= _deduplication(found["sightings"], settings, run)
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
            row |= _judged(gate, frame, settings, run)
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


def _judged(gate: Gate, frame: pd.DataFrame, settings: Settings, run: RunContext) -> Row:
    verdict = judge(gate, frame, settings, run.campaign.unknown)
    observed, unknown, kept = verdict.observed.iloc[0], bool(verdict.unknown.iloc[0]), bool(verdict.kept.iloc[0])
    outcome = "off" if gate.off(settings) else "kept" if kept else "rejected now. Run the campaign again"
    return {
        "observed": None if pd.isna(observed) else float(observed),
        "outcome": f"unknown, {outcome}" if unknown and kept and not gate.off(settings) else outcome,
    }


def _deduplication(sighting: Row | None, settings: Settings, run: RunContext) -> Row:
    if sighting is None:
        return {"observed": None, "outcome": "kept"}
    age = float(sighting["age_seconds"])
    if sighting["gate_digest"] != gate_digest(settings, run.campaign.unknown, run.as_of):
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


def _probability(candidate: Row | None, lead: Row, settings: Settings) -> Row | None:
    """What the lead model says, what speaks for and against it in words, strongest first, and what would change it."""
    if candidate is None or candidate["lead_probability"] is None:
        return None
    model: LeadModel | None = lead_model_for(settings, candidate["model"])
    if model.digest != candidate["lead_model"]:
        model = None
    parts = sorted((candidate["lead_parts"] or {}).items(), key=lambda part: -abs(part[1]))
    likely = candidate["lead_probability"]
    return {
        "lead_probability": likely,
        "decides": settings.relevance == "probability",
        "parts": [{"name": name, "about": described(name, added, model), "log_odds": added} for name, added in parts],
        "lead_model": candidate["lead_model"],
        "what_would_change_it": what_would_change(lead.get("relevance_score") or likely, settings.min_lead_probability),
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
