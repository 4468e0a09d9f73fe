"""Rank: the components of each document's score, fused, and judged by the gates."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from lead_assets.defs.assets.embed import document_embeddings, vectors_of
from lead_assets.defs.assets.index import typesense_index
from lead_assets.defs.campaign_asset import report, stage, told_in_one_sentence
from lead_assets.defs.gate_checks import gate_results, gate_specs, offenders
from lead_assets.defs.metadata.charts import funnel_picture, score_picture
from lead_assets.defs.metadata.tables import MAX_TABLE_ROWS, funnel_steps, rejection_table, table
from lead_assets.defs.resources import Brief, EmbedderOpener, RunSettings
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.candidate import (
    EXCLUDED,
    MATCHES,
    component_frame,
    duplicates_among_kept,
    is_wanted,
    meaning_of,
    outcomes,
    text_frame,
)
from lead_assets.domain.document import to_rows
from lead_assets.domain.gates import RANK_GATES, REJUDGING_GATES, Sifted, Tally, rejection_frame, sift
from lead_assets.domain.keywords import searches_of
from lead_assets.domain.ranking import asking_phrases, telling_phrases
from lead_assets.domain.settings import Settings
from lead_assets.domain.text_features import FEATURES
from lead_assets.models.local_embedder import Embedder
from lead_assets.pipeline.connect import opened_embedder
from lead_assets.pipeline.timing import Phases
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.candidates import COMPONENTS, read_kept_among, write_ranked
from lead_assets.storage.database import CampaignSession, Database
from lead_assets.storage.rejection_csv import RejectionLog
from lead_assets.storage.schema import current_candidates
from lead_assets.storage.statistics import count_rows, read_funnel, write_tallies
from lead_assets.storage.text_features import read_for_ranking, read_texts, write_text_features
from lead_assets.storage.vectors import read_campaign_vectors

ASSET = "ranked_candidates"
TEXTS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Ranking:
    """The documents that could be ranked, with their components, and what the gates said of them.

    ``frame["changed"]`` says which of them are stored otherwise.
    """

    frame: pd.DataFrame
    sifted: Sifted
    not_indexed: int
    not_embedded: int

    @cached_property
    def rejected(self) -> list[dict[str, Any]]:
        """Rows of the table ``rejections``."""
        return self._rejection_rows(self.frame)

    def _rejection_rows(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        judged = frame.index.intersection(self.sifted.decisions.index)
        return to_rows(rejection_frame(frame.loc[judged], self.sifted))

    @property
    def tallies(self) -> dict[str, Tally]:
        """What the ranking's own gates did."""
        return {gate.name: self.sifted.tallies[gate.name] for gate in RANK_GATES}

    def changes(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Rows of the tables ``candidates`` and ``rejections`` where they are other than what is stored."""
        columns = ["campaign_id", "reddit_id", "text_hash", *COMPONENTS, "duplicate_of", "kept", "gate", "run_id"]
        columns += ["keywords_digest", "ruled_out", "model", "outcome"]
        changed = self.frame[self.frame["changed"]]
        return to_rows(changed[columns]), self._rejection_rows(changed)

    def counts(self) -> dict[str, int]:
        """What this run did."""
        return {
            "ranked": len(self.frame),
            "changed": int(self.frame["changed"].sum()),
            "kept": int(self.frame["kept"].sum()),
            "rejected": int((~self.sifted.kept).sum()),
            "unknown": sum(tally.unknown for tally in self.tallies.values()),
            "excluded": int((self.frame["gate"] == EXCLUDED).sum()),
            "near_duplicates": int(self.frame["duplicate_of"].notna().sum()),
            "not_indexed": self.not_indexed,
            "not_embedded": self.not_embedded,
            **{f"rejected_{name}": tally.rejected for name, tally in self.tallies.items()},
        }


def settings_for(brief: Brief, embedder: Embedder) -> Settings:
    """The settings in force; an unset cosine threshold is the embedding model's own."""
    if brief.settings.cosine_threshold is not None:
        return brief.settings
    return brief.settings.model_copy(update={"cosine_threshold": embedder.cosine_threshold})


def rank(
    session: CampaignSession,
    brief: Brief,
    settings: Settings,
    embedder: Embedder,
    index: SearchIndex,
    run_id: str,
    phases: Phases,
) -> Ranking:
    """Rank the campaign's documents that are embedded and indexed.

    A document that Typesense does not hold, or holds with another text, is left out: that is not a match of 0.
    """
    campaign = brief.campaign
    with phases.measured("read"), session.transaction() as connection:
        documents = read_for_ranking(connection, campaign.id, campaign.keyword_matcher.digest)
        hashes, vectors = read_campaign_vectors(connection, campaign.id, embedder.model)
    with phases.measured("search"):
        indexed = documents["reddit_id"].map(index.held(campaign.id)) == documents["text_hash"]
        rows = documents["text_hash"].map({digest: row for row, digest in enumerate(hashes)})
        is_ready = indexed & rows.notna()
        ready, places = documents[is_ready].reset_index(drop=True), rows[is_ready].astype(int)
        searches = searches_of(campaign.keywords)
        matches = index.text_match(campaign.id, ready["reddit_id"].tolist(), searches)
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
        frame = component_frame(ready, matrix, matches, meaning, campaign, settings.weights)
        frame = frame.assign(campaign_id=campaign.id, run_id=run_id, model=embedder.model)
        frame = frame.assign(keywords_digest=campaign.keyword_matcher.digest)
        wanted = is_wanted(frame, campaign)
        sifted = sift(frame[wanted], (*REJUDGING_GATES, *RANK_GATES), settings, campaign.unknown)
        kept = sifted.kept.reindex(frame.index, fill_value=False)
        gate = sifted.decisions["gate"].reindex(frame.index).astype(object).where(wanted, EXCLUDED)
        frame = frame.assign(kept=kept, gate=gate, duplicate_of=duplicates_among_kept(frame, kept))
        frame = frame.assign(outcome=outcomes(frame, sifted))
        frame = frame.assign(changed=_is_stored_otherwise(frame, sifted))
    return Ranking(frame, sifted, int((~indexed).sum()), int(rows.isna().sum()))


def _is_stored_otherwise(frame: pd.DataFrame, sifted: Sifted) -> "pd.Series[bool]":
    """Whether a candidate, or its rejection, which a crawl may have taken away, is not stored as ranked now."""
    decided = sifted.decisions["gate"].reindex(frame.index)
    threshold = sifted.decisions["threshold"].reindex(frame.index)
    is_judged_otherwise = (decided.fillna("") != frame["stored_gate"].fillna("")) | (
        threshold.fillna(0.0) != frame["stored_threshold"].fillna(0.0)
    )
    return (frame["outcome"] != frame["stored_outcome"]) | is_judged_otherwise


def with_text_features(session: CampaignSession, frame: pd.DataFrame, campaign: Campaign) -> pd.DataFrame:
    """``frame`` with what is not known of its texts yet found out, a batch of texts in memory at a time, and kept."""
    unread = frame.index[frame["asking_cue"].isna() | frame["keyword_hits"].isna()]
    found: list[pd.DataFrame] = []
    for start in range(0, len(unread), TEXTS_AT_ONCE):
        ids = frame.loc[unread[start : start + TEXTS_AT_ONCE], "reddit_id"].tolist()
        with session.transaction() as connection:
            texts = read_texts(connection, campaign.id, ids)
            texts = texts.join(text_frame(texts, campaign))
            write_text_features(connection, to_rows(texts[["text_hash", "kind", *FEATURES]]))
        found.append(texts.set_index("reddit_id")[[*FEATURES, *MATCHES]])
    if not found:
        return frame
    known = frame.drop(index=unread).set_index("reddit_id")[[*FEATURES, *MATCHES]]
    parts = [part for part in (known, *found) if len(part)]
    return frame.drop(columns=[*FEATURES, *MATCHES]).join(pd.concat(parts), on="reddit_id")


@dg.asset(
    **stage("rank"),
    kinds={"postgres", "typesense"},
    deps=[typesense_index, document_embeddings],
    check_specs=gate_specs(ASSET, RANK_GATES),
    description=(
        "Every stored document with the components of its score, the fused score, and whether the gates keep it.\n\n"
        "Fuses closeness in meaning, the keyword match of Typesense, and whether somebody asks or sells. Stored "
        "documents are judged again by the metadata gates as they are set now, then by the four ranking gates; those "
        "that the campaign's lists now leave out are excluded. "
        "Documents that are not indexed or not embedded are left as they were and counted."
    ),
)
def ranked_candidates(
    context: dg.AssetExecutionContext,
    run_settings: RunSettings,
    database: dg.ResourceParam[Database],
    search_index: dg.ResourceParam[SearchIndex],
    embedder_opener: dg.ResourceParam[EmbedderOpener],
    rejection_logs: dg.ResourceParam[Path],
) -> dg.MaterializeResult:
    phases = Phases()
    with told_in_one_sentence():
        brief = run_settings.brief(context.partition_key)
        with (
            database.campaign(brief.campaign.id, context.log.info) as session,
            opened_embedder(session.connection, brief, embedder_opener) as embedder,
        ):
            settings = settings_for(brief, embedder)
            ranking = rank(session, brief, settings, embedder, search_index, context.run.run_id, phases)
            with phases.measured("store"), session.transaction() as connection:
                write_ranked(connection, brief.campaign.id, *ranking.changes())
            with RejectionLog(rejection_logs, brief.campaign.id, context.run.run_id) as log:
                log.add(ranking.rejected)
            _warn(context, ranking, log)
            with session.transaction() as connection:
                earlier = write_tallies(connection, brief.campaign.id, context.run.run_id, ranking.tallies)
                funnel = funnel_steps(read_funnel(connection, brief.campaign.id))
                stored = read_kept_among(connection, brief.campaign.id, ranking.frame["reddit_id"].tolist())
                metadata = report(
                    connection,
                    context,
                    row_count=count_rows(connection, current_candidates, brief.campaign.id),
                    counts=ranking.counts(),
                    phases=phases,
                    extra=_details(ranking, settings, embedder, log, funnel),
                )
    # Drawn when the campaign is free again, and shown first.
    pictures = {
        "funnel_picture": funnel_picture(funnel),
        "score_distributions": score_picture(ranking.frame, settings),
    }
    offending = offenders(RANK_GATES, stored, settings, brief.campaign.unknown)
    checks = gate_results(ASSET, RANK_GATES, ranking.tallies, earlier, offending, brief, settings)
    return dg.MaterializeResult(metadata=pictures | metadata, check_results=checks)


def _warn(context: dg.AssetExecutionContext, ranking: Ranking, log: RejectionLog) -> None:
    for count, what, asset in (
        (ranking.not_indexed, "not in Typesense as they are stored", "typesense_index"),
        (ranking.not_embedded, "without a vector", "document_embeddings"),
    ):
        if count:
            context.log.warning(f"{count} documents are {what} and were not ranked; materialize {asset}.")
    if log.failure:
        context.log.warning(f"The CSV file of rejections was {log.state}")


def _details(
    ranking: Ranking, settings: Settings, embedder: Embedder, log: RejectionLog, funnel: list[dict[str, Any]]
) -> dict[str, Any]:
    best = ranking.frame[ranking.frame["kept"]].nlargest(10, "fused_score")
    shown = [
        "fused_score",
        "reddit_id",
        "cosine_similarity",
        "product_similarity",
        "lexical",
        "intent_similarity",
        "asking_cue",
        "selling_cue",
    ]
    return {
        "model": embedder.model,
        "funnel": table(funnel),
        "rejudged": {gate.name: ranking.sifted.tallies[gate.name].rejected for gate in REJUDGING_GATES},
        "weights": settings.weights.model_dump(),
        "best_candidates": table(to_rows(best[shown].round(4))),
        "rejected_examples": rejection_table(ranking.rejected[:MAX_TABLE_ROWS]),
        "rejection_log": dg.MetadataValue.path(log.state),
    }
