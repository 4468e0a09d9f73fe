"""Leave one out: each labelled campaign judged by a lead model that was trained on the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lead_assets.domain.calibration import bias, calibration_error, list_figures
from lead_assets.domain.evaluation import LEAD, measure
from lead_assets.domain.gate_catalog import RANK_GATES, REJUDGING_GATES
from lead_assets.domain.judging import apply_gates
from lead_assets.domain.lead_features import Values
from lead_assets.domain.lead_marks import fit_posterior
from lead_assets.domain.lead_model import LeadModel, probability
from lead_assets.domain.lead_training import LabelledCampaign, train
from lead_assets.domain.settings import Settings
from lead_assets.pipeline.golden_files import GoldenFile

FEWEST_LEADS = 8
"""Campaigns with fewer leads are reported, and left out of means."""
FIRST_CAMPAIGNS = ("crm", "invoicing", "website")
"""Cues and weights of the fused score were tuned on these; the others are the new ones."""
MEASURES = ("ndcg@10", "average_precision")


@dataclass(frozen=True)
class Judged:
    """A campaign's labelled documents as a model of the others judges them; ``kept`` says which pass all gates."""

    file: GoldenFile
    campaign: LabelledCampaign
    log_odds: Values
    kept: NDArray[np.bool_]

    @property
    def is_lead(self) -> Values:
        """1 for a lead, else 0."""
        return self.campaign.is_lead

    @property
    def probabilities(self) -> Values:
        """Shape (n,)."""
        return probability(self.log_odds)

    @property
    def fused(self) -> Values:
        """Today's other score."""
        return self.campaign.frame["fused_score"].to_numpy(dtype=float)

    def ranked(self, scores: Values, among: NDArray[np.intp]) -> dict[str, float]:
        """The measures of the documents ``among`` (places), best score first."""
        ids, labels = self.campaign.frame["reddit_id"].tolist(), self.campaign.labels
        order = among[np.argsort(-scores[among], kind="stable")]
        found = measure({ids[place]: int(labels[place]) for place in among}, [ids[place] for place in order])
        return {name: found[name] for name in MEASURES}

    def ranked_past_gates(self, scores: Values) -> dict[str, float]:
        """The same of those that the gates keep, where a lead that they lost was never found."""
        ids = self.campaign.frame["reddit_id"].tolist()
        order = [place for place in np.argsort(-scores, kind="stable") if self.kept[place]]
        labels = dict(zip(ids, map(int, self.campaign.labels), strict=True))
        found = measure(labels, [ids[place] for place in order])
        return {name: found[name] for name in MEASURES}


def left_out_models(
    campaigns: Sequence[LabelledCampaign],
    embedder: str | None,
    names: Sequence[str] | None = None,
    *,
    with_vector: bool = True,
) -> Iterator[LeadModel]:
    """For each campaign the model of the others."""
    for place in range(len(campaigns)):
        others = [*campaigns[:place], *campaigns[place + 1 :]]
        yield train(others, embedder, {}, names, with_vector=with_vector)


def judge_left_out(
    files: Sequence[GoldenFile],
    campaigns: Sequence[LabelledCampaign],
    settings: Settings,
    embedder: str | None,
    names: Sequence[str] | None = None,
    *,
    with_vector: bool = True,
) -> list[Judged]:
    """Every campaign, judged by the model of the others, and by the gates under ``settings``."""
    judged: list[Judged] = []
    models = left_out_models(campaigns, embedder, names, with_vector=with_vector)
    for file, campaign, model in zip(files, campaigns, models, strict=True):
        log_odds = model.judge(campaign.frame, campaign.matrix).log_odds
        judged.append(Judged(file, campaign, log_odds, _kept(campaign.frame, settings)))
    return judged


def _kept(frame: pd.DataFrame, settings: Settings) -> NDArray[np.bool_]:
    newest = frame["created_at"].max()
    judged = frame.assign(judged_as_of=newest)
    return apply_gates(judged, (*REJUDGING_GATES, *RANK_GATES), settings, {}).kept.to_numpy(dtype=bool)


def report(judged: Sequence[Judged], settings: Settings, marks: int | None) -> dict[str, Any]:
    """All figures, ready for JSON: by campaign, their means, and what is pooled over all documents."""
    threshold = settings.min_lead_probability
    rows = [_row(each, threshold, marks) for each in judged]
    counted = [row for row in rows if row["leads"] >= FEWEST_LEADS]
    groups = {
        "all": counted,
        "first": [row for row in counted if row["campaign"] in FIRST_CAMPAIGNS],
        "new": [row for row in counted if row["campaign"] not in FIRST_CAMPAIGNS],
    }
    return {
        "campaigns": rows,
        "min_lead_probability": threshold,
        "means": {name: _means(each) for name, each in groups.items() if each},
        "pooled": _pooled(judged, threshold),
    }


def _row(each: Judged, threshold: float, marks: int | None) -> dict[str, Any]:
    shown = each.probabilities >= threshold
    everything = np.arange(len(shown))
    offline, listed = list_figures(each.is_lead, shown), list_figures(each.is_lead, shown & each.kept)
    row: dict[str, Any] = {
        "campaign": each.campaign.name,
        "labelled": len(shown),
        "leads": int(each.is_lead.sum()),
        "matched": sum(bool(document.matched_keywords) for document in each.file.labelled),
        "offline": {
            "probability": each.ranked(each.probabilities, everything),
            "fused": each.ranked(each.fused, everything),
            "recall": offline.recall,
            "precision": offline.precision,
        },
        "past_gates": {
            "probability": each.ranked_past_gates(each.probabilities),
            "fused": each.ranked_past_gates(each.fused),
            "gates_recall": float((each.is_lead * each.kept).sum() / each.is_lead.sum()),
            "recall": listed.recall,
            "precision": listed.precision,
        },
        "bias": bias(each.probabilities, each.is_lead),
    }
    return row | ({"marks": _replayed(each, marks)} if marks else {})


def _replayed(each: Judged, count: int) -> dict[str, Any] | None:
    """What is left after the best ``count`` were marked, ranked without and with the marks; None where too few leads
    are left. A weak lead is marked as no lead."""
    order = np.argsort(-each.log_odds, kind="stable")
    marked, left = order[:count], order[count:]
    if each.is_lead[left].sum() < FEWEST_LEADS:
        return None
    posterior = fit_posterior(each.log_odds, each.campaign.matrix, marked, each.is_lead[marked])
    after = each.log_odds + posterior.added
    fused_left = np.argsort(-each.fused, kind="stable")[count:]
    has_lead = bool((each.campaign.labels[fused_left] == LEAD).any())
    return {
        "before": each.ranked(each.log_odds, left),
        "after": each.ranked(after, left),
        "fused": each.ranked(each.fused, fused_left) if has_lead else None,
        "bias_before": bias(probability(each.log_odds[left]), each.is_lead[left]),
        "bias_after": bias(probability(after[left]), each.is_lead[left]),
        "texts_believed": posterior.learned == "texts",
        "refused": posterior.learned == "nothing",
    }


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of every number over campaigns, in the shape of a row; what no campaign has is left out."""
    found: dict[str, Any] = {"campaigns": len(rows)}
    for name in ("offline", "past_gates", "marks"):
        parts = [row[name] for row in rows if row.get(name)]
        if parts:
            found[name] = {"campaigns": len(parts), **_mean_of(parts)}
    return found | {"bias": _mean([row["bias"] for row in rows])}


def _mean_of(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in parts[0]:
        values = [part[name] for part in parts if part[name] is not None]
        if values:
            found[name] = _mean_of(values) if isinstance(values[0], dict) else _mean(values)
    return found


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


def _pooled(judged: Sequence[Judged], threshold: float) -> dict[str, Any]:
    probabilities = np.concatenate([each.probabilities for each in judged])
    is_lead = np.concatenate([each.is_lead for each in judged])
    drawn = np.concatenate([each.campaign.is_random for each in judged])
    found: dict[str, Any] = {"documents": len(is_lead), "calibration_error": calibration_error(probabilities, is_lead)}
    if is_lead[drawn].sum():
        shown = list_figures(is_lead[drawn], probabilities[drawn] >= threshold)
        found["random_sample"] = {
            "documents": int(drawn.sum()),
            "leads": int(is_lead[drawn].sum()),
            "calibration_error": calibration_error(probabilities[drawn], is_lead[drawn]),
            "mean_probability": float(probabilities[drawn].mean()),
            "share_of_leads": float(is_lead[drawn].mean()),
            "recall": shown.recall,
            "precision": shown.precision,
        }
    return found
