"""The sample corpus does at the metadata gates what its ``expected.json`` says, through the real source."""

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lead_assets
from lead_assets.config.campaign_files import list_campaigns, read_campaign
from lead_assets.domain.campaign import Campaign, end_of_day
from lead_assets.domain.document import Document, merge_repeats
from lead_assets.domain.frames import to_frame
from lead_assets.domain.gate_catalog import METADATA_GATES, REJUDGING_GATES
from lead_assets.domain.judging import GateOutcomes, apply_gates, judge
from lead_assets.domain.settings import Layer, Settings, resolve
from lead_assets.sources.archive import ArchiveSource
from lead_assets.sources.base import SourceCounts

SAMPLE = Path(lead_assets.__file__).parent / "sample"
EXPECTED: dict[str, Any] = json.loads((SAMPLE / "expected.json").read_text(encoding="utf-8"))
CORPUS: dict[str, Any] = EXPECTED["corpus"]
CAMPAIGNS = ("sample_crm", "sample_invoicing")
GATES = [gate.name for gate in REJUDGING_GATES]
"""The metadata gates but de-duplication, which judges the ledger and not the document."""


@dataclass(frozen=True)
class Crawled:
    """A campaign's crawl of the sample, judged by the metadata gates."""

    campaign: Campaign
    settings: Settings
    handed_on: list[Document]
    counts: SourceCounts
    frame: pd.DataFrame
    sifted: GateOutcomes

    @property
    def decisions(self) -> dict[str, str | None]:
        """For each document the gate that rejected it, None where it was kept."""
        return dict(zip(self.frame["reddit_id"], self.sifted.decisions["gate"], strict=True))


@cache
def crawled(campaign_id: str) -> Crawled:
    campaign = read_campaign(SAMPLE / "campaigns" / f"{campaign_id}.yaml")
    assert campaign.archive is not None
    assert campaign.archive.as_of is not None
    settings = resolve([Layer(f"campaign {campaign_id}", campaign.settings)]).settings
    source = ArchiveSource(Path(campaign.archive.path))
    handed_on = [document for batch in source.search(campaign) for document in batch.documents]
    frame = to_frame(merge_repeats(handed_on)).assign(
        sighting_age_seconds=float("nan"), judged_as_of=pd.Timestamp(end_of_day(campaign.archive.as_of))
    )
    sifted = apply_gates(frame, METADATA_GATES, settings, campaign.unknown)
    return Crawled(campaign, settings, handed_on, source.counts, frame, sifted)


def test_both_campaign_files_validate_and_read_the_sample() -> None:
    files = list_campaigns(SAMPLE / "campaigns")

    assert [(file.id, file.error) for file in files] == [(campaign_id, None) for campaign_id in CAMPAIGNS]
    for file in files:
        assert file.campaign is not None
        assert file.campaign.archive is not None
        assert Path(file.campaign.archive.path) == SAMPLE / "documents.ndjson"


@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_every_line_is_read_and_the_malformed_ones_are_counted(campaign_id: str) -> None:
    counts = crawled(campaign_id).counts

    assert (counts.read, counts.malformed) == (CORPUS["lines"], CORPUS["malformed_lines"]) == (178, 2)
    assert len(counts.malformed_examples) == 2


@pytest.mark.parametrize(("campaign_id", "matching"), [("sample_crm", 78), ("sample_invoicing", 74)])
def test_as_many_records_match_as_the_readme_says(campaign_id: str, matching: int) -> None:
    assert crawled(campaign_id).counts.given == len(crawled(campaign_id).handed_on) == matching


@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_what_was_deleted_is_never_handed_on(campaign_id: str) -> None:
    ids = {document.reddit_id for document in crawled(campaign_id).handed_on}

    assert len(CORPUS["deleted"]) == 3
    assert not ids & set(CORPUS["deleted"])
    assert crawled(campaign_id).counts.deleted == 2


@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_what_the_campaign_leaves_out_is_never_handed_on(campaign_id: str) -> None:
    ids = {document.reddit_id for document in crawled(campaign_id).handed_on}

    for reason, excluded in EXPECTED[campaign_id]["excluded"].items():
        assert excluded, reason
        assert not ids & set(excluded), reason


@pytest.mark.parametrize(
    ("reason", "without"),
    [
        ("author", {"exclude_authors": []}),
        ("subreddit", {"subreddits": {"include": [], "exclude": []}}),
        ("negative_keyword", {"negative_keywords": []}),
    ],
)
@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_what_the_campaign_leaves_out_is_left_out_for_that_reason_alone(
    campaign_id: str, reason: str, without: dict[str, Any]
) -> None:
    open_to_all = Campaign.model_validate(crawled(campaign_id).campaign.model_dump() | without)

    source = ArchiveSource(SAMPLE / "documents.ndjson")
    ids = {document.reddit_id for batch in source.search(open_to_all) for document in batch.documents}

    excluded = EXPECTED[campaign_id]["excluded"][reason]
    if reason == "author":  # programs are left out of every campaign, and counted by kind
        assert source.counts.automated["automoderator"] >= len(excluded)
        excluded = []
    assert ids >= set(excluded)


@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_what_matches_no_keyword_is_never_handed_on(campaign_id: str) -> None:
    assert not {document.reddit_id for document in crawled(campaign_id).handed_on} & set(CORPUS["no_match"])


def test_repeats_become_one_document_with_the_last_text() -> None:
    (verbatim,), (edited,) = CORPUS["repeated_verbatim"], CORPUS["repeated_edited"]
    crm = [document for document in crawled("sample_crm").handed_on if document.reddit_id == verbatim]
    invoicing = [document for document in crawled("sample_invoicing").handed_on if document.reddit_id == edited]

    assert crm[0] == crm[1]
    assert invoicing[0].text_hash != invoicing[1].text_hash
    assert [replace(document, matched_keywords=()) for document in merge_repeats(invoicing)] == [
        replace(invoicing[-1], matched_keywords=())
    ]
    assert len(merge_repeats(crm)) == 1


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_a_gate_is_the_first_to_reject_exactly_the_documents_it_should(campaign_id: str, gate: str) -> None:
    rejected = {document for document, by in crawled(campaign_id).decisions.items() if by == gate}

    assert rejected == set(EXPECTED[campaign_id]["gates"][gate]["rejected"])


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_a_gate_keeps_the_documents_at_its_edge_and_the_unknown_ones(campaign_id: str, gate: str) -> None:
    found, expected = crawled(campaign_id), EXPECTED[campaign_id]["gates"][gate]
    rows = found.frame.set_index("reddit_id", drop=False)
    declared = next(declared for declared in REJUDGING_GATES if declared.name == gate)

    for document in expected["kept"]:
        verdict = judge(declared, rows.loc[[document]], found.settings, found.campaign.unknown)
        assert verdict.kept.all(), document
        assert not verdict.unknown.any(), document
        assert found.decisions[document] is None, document
    for document in expected.get("unknown", []):
        verdict = judge(declared, rows.loc[[document]], found.settings, found.campaign.unknown)
        assert verdict.kept.all(), document
        assert verdict.unknown.all(), document


@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_a_gate_is_off_where_it_is_said_to_be(campaign_id: str) -> None:
    found = crawled(campaign_id)

    off = {gate.name for gate in REJUDGING_GATES if gate.off(found.settings)}

    assert off == {name for name in GATES if EXPECTED[campaign_id]["gates"][name].get("off")}


@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_no_lead_is_rejected_by_a_metadata_gate(campaign_id: str) -> None:
    decisions = crawled(campaign_id).decisions

    assert {lead: decisions[lead] for lead in EXPECTED[campaign_id]["leads"]} == dict.fromkeys(
        EXPECTED[campaign_id]["leads"]
    )


@pytest.mark.parametrize("gate", GATES)
def test_each_metadata_gate_is_met_from_both_sides_in_one_of_the_campaigns(gate: str) -> None:
    sides = [crawled(campaign_id).sifted for campaign_id in CAMPAIGNS]

    assert any(sifted.stats[gate].rejected and sifted.stats[gate].kept > sifted.stats[gate].unknown for sifted in sides)


@pytest.mark.parametrize("gate", GATES)
def test_each_metadata_gate_meets_an_unknown_value_in_one_of_the_campaigns(gate: str) -> None:
    assert any(crawled(campaign_id).sifted.stats[gate].unknown for campaign_id in CAMPAIGNS)


@pytest.mark.parametrize("campaign_id", CAMPAIGNS)
def test_hostile_documents_are_harmless_text(campaign_id: str) -> None:
    documents = {document.reddit_id: document for document in crawled(campaign_id).handed_on}
    hostile = [documents[name] for name in CORPUS["hostile"] if name in documents]

    assert len(hostile) >= 5
    for document in hostile:
        text = f"{document.title}{document.body}{document.author}{document.subreddit}"
        assert not {"\x00", "\x1b"} & set(text)
        text.encode("utf-8")
        assert document.url.startswith("https://www.reddit.com/")
        assert len(document.body) <= 40_000
