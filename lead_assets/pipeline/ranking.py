"""Ranking: the components of each document's score, its probability, and what the gates say of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lead_assets.config.lead_models import lead_model_for
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.candidate import (
    MATCHES,
    Meaning,
    component_frame,
    duplicates_among_kept,
    is_wanted,
    meaning_of,
    outcome_digests,
    text_frame,
)
from lead_assets.domain.frames import to_rows
from lead_assets.domain.gate_catalog import RANK_GATES, REJUDGING_GATES
from lead_assets.domain.gates import EXCLUDED, GateStats
from lead_assets.domain.judging import GateOutcomes, apply_gates
from lead_assets.domain.keywords import searches_of
from lead_assets.domain.lead_features import MARKS
from lead_assets.domain.lead_marks import Posterior, fit_posterior, no_marks, places_of
from lead_assets.domain.lead_model import Judged, LeadModel, probability
from lead_assets.domain.rejections import rejection_frame
from lead_assets.domain.scoring import asking_phrases, telling_phrases
from lead_assets.domain.settings import Settings
from lead_assets.domain.text_features import FEATURES
from lead_assets.domain.thresholds import FAR_FROM_CENTRE, lacks_common_centre
from lead_assets.models.protocols import Embedder
from lead_assets.pipeline.embed import vectors_of
from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.timing import Phases
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.corpus import read_texts
from lead_assets.storage.database import CampaignSession
from lead_assets.storage.text_features import read_for_ranking, write_matched_keywords, write_text_features
from lead_assets.storage.vectors import read_campaign_vectors

TEXTS_AT_ONCE = 1_000
WRITTEN_AT_ONCE = 5_000
"""Documents: as rows they take many times the memory that they take as columns."""


@dataclass(frozen=True)
class Ranking:
    """The documents that could be ranked, with their components, and what the gates said of them.

    ``frame["changed"]`` says which of them are stored otherwise.
    """

    frame: pd.DataFrame
    outcomes: GateOutcomes
    not_indexed: int
    not_embedded: int
    model: str
    lead_model: LeadModel
    judged: Judged
    posterior: Posterior
    warnings: list[str]

    @cached_property
    def rejected(self) -> list[dict[str, Any]]:
        """Rows of the table ``rejections``."""
        return self._rejection_rows(self.frame)

    def _rejection_rows(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        judged = frame.index.intersection(self.outcomes.decisions.index)
        return to_rows(rejection_frame(frame.loc[judged], self.outcomes))

    @property
    def stats(self) -> dict[str, GateStats]:
        """What the ranking's own gates did."""
        return {gate.name: self.outcomes.stats[gate.name] for gate in RANK_GATES}

    def changes(self) -> Iterator[tuple[pd.DataFrame, list[dict[str, Any]]]]:
        """The ranked documents, and rows of ``rejections``, that are other than what is stored, some at a time.

        The documents have ``lead_parts`` too: what speaks for and against each of them.
        """
        places = np.flatnonzero(self.frame["changed"])
        for start in range(0, len(places), WRITTEN_AT_ONCE):
            yield self._written(places[start : start + WRITTEN_AT_ONCE])

    def _written(self, places: NDArray[np.intp]) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        changed = self.frame.iloc[places]
        parts = self.judged.of(places).parts()
        if self.posterior.learned != "nothing":
            added = self.posterior.added[places].round(3).tolist()
            parts = [part | {MARKS: moved} for part, moved in zip(parts, added, strict=True)]
        return changed.assign(lead_parts=pd.Series(parts, changed.index, dtype=object)), self._rejection_rows(changed)

    def counts(self) -> dict[str, int]:
        """What this run did."""
        return {
            "ranked": len(self.frame),
            "changed": int(self.frame["changed"].sum()),
            "kept": int(self.frame["kept"].sum()),
            "rejected": int((~self.outcomes.kept).sum()),
            "unknown": sum(stats.unknown for stats in self.stats.values()),
            "excluded": int((self.frame["gate"] == EXCLUDED).sum()),
            "near_duplicates": int(self.frame["duplicate_of"].notna().sum()),
            "not_indexed": self.not_indexed,
            "not_embedded": self.not_embedded,
            **{f"rejected_{name}": stats.rejected for name, stats in self.stats.items()},
        }


def settings_for(run: RunContext, embedder: Embedder) -> Settings:
    """The settings in force; an unset cosine threshold is the embedding model's own."""
    return run.settings.with_cosine_threshold(embedder.cosine_threshold)


def rank(
    session: CampaignSession,
    run: RunContext,
    settings: Settings,
    embedder: Embedder,
    index: SearchIndex,
    run_id: str,
    phases: Phases,
    marks: pd.DataFrame | None = None,
) -> Ranking:
    """Rank the campaign's documents that are embedded and indexed.

    A document that Typesense does not hold, or holds with another text, is left out: that is not a match of 0.
    ``marks`` has ``reddit_id`` and ``is_lead``.
    """
    campaign = run.campaign
    lead_model = lead_model_for(settings, embedder.model)
    with phases.measured("read"), session.transaction() as connection:
        documents = read_for_ranking(connection, campaign.id, campaign.keyword_matcher.digest)
        hashes, vectors = read_campaign_vectors(connection, campaign.id, embedder.model)
    with phases.measured("search"):
        indexed = documents["reddit_id"].map(index.held(campaign.id)) == documents["text_hash"]
        rows = documents["text_hash"].map({digest: row for row, digest in enumerate(hashes)})
        is_ready = indexed & rows.notna()
        ready, places = documents[is_ready].reset_index(drop=True), rows[is_ready].astype(int)
        searches = searches_of(campaign.keywords)
        found = index.text_match(campaign.id, ready["reddit_id"].tolist(), searches)
        matches = np.array(found, dtype=float).reshape(len(ready), len(searches))
    with phases.measured("embed_phrases"):
        meaning = meaning_of(
            vectors_of(session, embedder, searches),
            vectors_of(session, embedder, [campaign.product]),
            vectors_of(session, embedder, asking_phrases(searches, campaign.product)),
            vectors_of(session, embedder, telling_phrases(searches, campaign.product)),
        )
    with phases.measured("read_texts"):
        ready = with_text_features(session, ready, campaign)
    with phases.measured("score"):
        matrix = vectors[places] if len(places) else np.zeros((0, len(meaning.keywords)), dtype=np.float32)
        del vectors  # they are the largest thing here, and would be there twice
        frame = component_frame(ready, matrix, matches, meaning, campaign, settings.weights)
        frame = frame.assign(campaign_id=campaign.id, run_id=run_id, model=embedder.model)
        frame = frame.assign(keywords_digest=campaign.keyword_matcher.digest)
        judged = lead_model.judge(frame, matrix)
        marked = places_of(no_marks() if marks is None else marks, frame["reddit_id"])
        posterior = fit_posterior(judged.log_odds, matrix, *marked)
        frame = frame.assign(
            lead_probability=probability(judged.log_odds + posterior.added), lead_model=lead_model.digest
        )
        wanted = is_wanted(frame, campaign)
        outcomes = apply_gates(frame[wanted], (*REJUDGING_GATES, *RANK_GATES), settings, campaign.unknown)
        kept = outcomes.kept.reindex(frame.index, fill_value=False)
        gate = outcomes.decisions["gate"].reindex(frame.index).astype(object).where(wanted, EXCLUDED)
        frame = frame.assign(kept=kept, gate=gate, duplicate_of=duplicates_among_kept(frame, kept))
        frame = frame.assign(outcome=outcome_digests(frame, outcomes))
        frame = frame.assign(changed=_is_stored_otherwise(frame, outcomes))
    return Ranking(
        frame,
        outcomes,
        int((~indexed).sum()),
        int(rows.isna().sum()),
        embedder.model,
        lead_model,
        judged,
        posterior,
        [*_scattered(campaign, meaning, embedder.model), *_foreign(frame), *_unmeasured(lead_model, embedder.model)],
    )


def _scattered(campaign: Campaign, meaning: Meaning, model: str) -> list[str]:
    """A warning where the keywords name too many different things for one centroid."""
    if not lacks_common_centre(model, meaning.coherence):
        return []
    searches = searches_of(campaign.keywords)
    apart = [name for name, near in zip(searches, meaning.keyword_cosines, strict=True) if near < FAR_FROM_CENTRE]
    which = f" These lie apart: {', '.join(sorted(apart))}." if apart else ""
    return [
        f"The campaign's keywords have no common centre (coherence {meaning.coherence:.2f}), so that the cosine gate "
        f"may lose leads.{which} Lower COSINE_THRESHOLD, or make campaigns of keywords that belong together."
    ]


def _foreign(frame: pd.DataFrame) -> list[str]:
    """A warning where texts are in a language that the lead model does not know."""
    count = int(frame["is_foreign"].astype(bool).sum())
    if not count:
        return []
    return [
        f"{count} documents are not in English, the language of the lead model. They get its base rate until marks "
        "teach it."
    ]


def _unmeasured(lead_model: LeadModel, model: str) -> list[str]:
    """A warning where the lead model does not read the embedder's vectors."""
    if lead_model.embedder is not None:
        return []
    return [
        f"No lead model was trained with {model}. The one in use reads no vectors and ranks less well. Make one with "
        "`lead-assets train` and set LEAD_MODEL."
    ]


def _is_stored_otherwise(frame: pd.DataFrame, outcomes: GateOutcomes) -> "pd.Series[bool]":
    """Whether a candidate, or its rejection, which a crawl may have taken away, is not stored as ranked now."""
    decided = outcomes.decisions["gate"].reindex(frame.index)
    threshold = outcomes.decisions["threshold"].reindex(frame.index)
    is_judged_otherwise = (decided.fillna("") != frame["stored_gate"].fillna("")) | (
        threshold.fillna(0.0) != frame["stored_threshold"].fillna(0.0)
    )
    return (frame["outcome"] != frame["stored_outcome"]) | is_judged_otherwise


def with_text_features(session: CampaignSession, frame: pd.DataFrame, campaign: Campaign) -> pd.DataFrame:
    """``frame`` with what is not known of its texts yet found out, a batch of texts in memory at a time, and kept."""
    unread = frame.index[frame[["asking_cue", *MATCHES]].isna().any(axis=1)]
    found: list[pd.DataFrame] = []
    for start in range(0, len(unread), TEXTS_AT_ONCE):
        ids = frame.loc[unread[start : start + TEXTS_AT_ONCE], "reddit_id"].tolist()
        with session.transaction() as connection:
            texts = read_texts(connection, campaign.id, ids)
            texts = texts.join(text_frame(texts, campaign))
            write_text_features(connection, to_rows(texts[["text_hash", "kind", *FEATURES]]))
            write_matched_keywords(connection, campaign.id, to_rows(texts[["reddit_id", "matched_keywords"]]))
        found.append(texts.set_index("reddit_id")[[*FEATURES, *MATCHES]])
    if not found:
        return frame
    known = frame.drop(index=unread).set_index("reddit_id")[[*FEATURES, *MATCHES]]
    parts = [part for part in (known, *found) if len(part)]
    return frame.drop(columns=[*FEATURES, *MATCHES]).join(pd.concat(parts), on="reddit_id")
