"""The cases about keywords in the shared folder, through the archive source: what matches, and by which keywords."""

import json
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from lead_assets.domain.campaign import Campaign
from lead_assets.sources.archive import ArchiveSource
from lead_assets_tests.conftest import SHARED

CASES = SHARED / "cases"
WHY_SKIPPED = "the cases are neither in $LEAD_ASSETS_SHARED nor beside the project"

Matched = dict[str, set[str]]

EXPECTED: dict[str, tuple[dict[str, Any], Matched]] = {
    "01-keyword-symbols": (
        {},
        {
            "k01a": {"C++"},
            "k01c": {"AT&T"},
            "k01d": {"node.js"},
            "k01e": {"c#"},
            "k01f": {"📈 tracker"},
            "k01g": {"what's the best crm"},
            "k01h": {"e-mail"},
            "k01i": {".NET"},
            "k01j": {"C++", "c#"},
        },
    ),
    # The endings of German words are German's.
    "02-keyword-languages": (
        {"language": "german"},
        {
            "l02a": {"客户管理"},
            "l02e": {"sigorta"},
            "l02f": {"Versicherung"},
            "l02g": {"crm"},
            "l02h": {"बीमा"},
            "l02i": {"crm"},
        },
    ),
    "03-markdown": (
        {},
        {
            "m03a": {"crm"},
            "m03b": {"crm"},
            "m03c": {"crm"},
            "m03e": {'"lead tracking"'},
            "m03g": {'"lead tracking"'},
            "m03h": {"follow-up"},
        },
    ),
    "12-plurals": (
        {},
        {
            "pl12a": {"agency"},
            "pl12b": {"company database"},
            "pl12c": {"bookkeeping"},
            "pl12d": {"crm"},
            "pl12e": {"crm"},
        },
    ),
    "13-url-only": ({}, {}),
    "14-operators": (
        {"keywords": ["crm OR erp", "crm -salesforce", "title:invoicing", "“lead tracking”"]},
        {
            "op14a": {"crm OR erp"},
            "op14b": {"crm OR erp"},
            "op14c": {"title:invoicing"},
            "op14e": {"crm OR erp", "crm -salesforce"},
        },
    ),
    "16-change-keywords": ({}, {"ch2": {"invoicing"}, "ch3": {"invoicing"}}),
}


def campaign(case: str, **changed: Any) -> Campaign:
    content = yaml.safe_load((CASES / case / "campaign.yaml").read_text(encoding="utf-8"))
    return Campaign.model_validate({"id": "case", **content, **changed})


def matched(case: str, wanted: Campaign) -> Matched:
    source = ArchiveSource(CASES / case / "input.ndjson")
    documents = [document for batch in source.search(wanted) for document in batch.documents]
    return {document.reddit_id.removeprefix("t3_"): set(document.matched_keywords) for document in documents}


@pytest.mark.skipif(not CASES.is_dir(), reason=WHY_SKIPPED)
@pytest.mark.parametrize("case", EXPECTED)
def test_each_document_of_a_case_matches_the_keywords_that_it_should(case: str) -> None:
    changed, expected = EXPECTED[case]

    assert matched(case, campaign(case, **changed)) == expected


@pytest.mark.skipif(not CASES.is_dir(), reason=WHY_SKIPPED)
def test_other_keywords_match_other_documents_of_the_same_case() -> None:
    wanted = campaign("16-change-keywords", keywords=["crm"])

    assert matched("16-change-keywords", wanted) == {"ch1": {"crm"}, "ch3": {"crm"}}
    assert wanted.keyword_matcher.digest != campaign("16-change-keywords").keyword_matcher.digest


@pytest.mark.skipif(not CASES.is_dir(), reason=WHY_SKIPPED)
def test_a_wildcard_is_refused_with_the_fix() -> None:
    with pytest.raises(ValidationError) as refused:
        campaign("14-operators")

    messages = {json.dumps(error["input"]): error["msg"] for error in refused.value.errors()}
    assert set(messages) == {'"crm*"', '"invoic*"'}
    assert all("Write whole words" in message for message in messages.values())
