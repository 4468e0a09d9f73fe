"""Which requests are the same."""

from lead_assets.domain.backfill import content_digest, digest
from lead_assets.domain.campaign import Campaign


def campaign(**other: object) -> Campaign:
    keys = {"id": "crm", "name": "CRM", "product": "A CRM.", "keywords": ["crm"]}
    return Campaign.model_validate(keys | other)


def test_the_same_request_has_the_same_digest_whatever_the_order_of_its_options() -> None:
    assert digest({"source": "archive", "as_of": "2026-01-31"}) == digest({"as_of": "2026-01-31", "source": "archive"})
    assert digest({"source": "archive"}) != digest({"source": "archive", "as_of": "2026-01-31"})


def test_a_campaign_that_looks_for_something_else_has_other_content() -> None:
    assert content_digest(campaign()) == content_digest(campaign())
    for other in (
        {"keywords": ["crm", "invoices"]},
        {"settings": {"MIN_KEYWORD_HITS": 2}},
        {"product": "A better CRM."},
    ):
        assert content_digest(campaign(**other)) != content_digest(campaign())


def test_when_a_campaign_runs_by_itself_is_not_its_content() -> None:
    paused = campaign(schedule="0 * * * *", timezone="Europe/Berlin", enabled=False)
    assert content_digest(paused) == content_digest(campaign())
