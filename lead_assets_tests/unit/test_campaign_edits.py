"""What is accepted on the page is written into the campaign's file, of which everything else stays."""

import os
from pathlib import Path

import pytest

from lead_assets.cli.running import SAMPLE
from lead_assets.config.campaign_edits import edit_campaign
from lead_assets.config.campaign_files import read_campaign
from lead_assets.domain.errors import CampaignInvalid, CampaignUnknown

PLAIN = """\
# Our first campaign.
name: CRM   # shown to people
product: 'A simple CRM.'
keywords:
- crm        # the word itself
- "track clients"
# Not these:
negative_keywords: [hiring]
subreddits: {include: [sales], exclude: []}  # where
settings:
    COSINE_THRESHOLD: 0.30 # by hand
"""


def lines_that_went(before: str, after: str) -> list[str]:
    return [line for line in before.splitlines() if line not in after.splitlines()]


def write(folder: Path, text: str) -> Path:
    path = folder / "crm.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_comments_order_and_quotes_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    campaign = edit_campaign(
        tmp_path,
        "crm",
        settings={"MIN_ENGAGEMENT_SCORE": 2, "COSINE_THRESHOLD": 0.25},
        negative_keywords=["giveaway", "Hiring"],
        exclude_subreddits=["forhire"],
    )
    text = path.read_text(encoding="utf-8")
    assert lines_that_went(PLAIN, text) == [
        "negative_keywords: [hiring]",
        "subreddits: {include: [sales], exclude: []}  # where",
        "    COSINE_THRESHOLD: 0.30 # by hand",
    ]
    for comment in ("# Our first", "# shown", "# the word itself", "# Not these:", "# where", "# by hand"):
        assert comment in text
    assert campaign == read_campaign(path)
    assert campaign.negative_keywords == ["hiring", "giveaway"]
    assert campaign.subreddits.exclude == ["forhire"]
    assert campaign.settings == {"COSINE_THRESHOLD": 0.25, "MIN_ENGAGEMENT_SCORE": 2}


@pytest.mark.parametrize("campaign_id", ["sample_crm", "sample_invoicing"])
def test_in_the_samples_only_the_changed_lines_change(tmp_path: Path, campaign_id: str) -> None:
    before = (SAMPLE / "campaigns" / f"{campaign_id}.yaml").read_text(encoding="utf-8")
    path = tmp_path / f"{campaign_id}.yaml"
    path.write_text(before, encoding="utf-8")
    edit_campaign(tmp_path, campaign_id, settings={"MIN_KEYWORD_HITS": 2}, exclude_subreddits=["jobs"])
    after = path.read_text(encoding="utf-8")
    assert len(lines_that_went(before, after)) <= 2
    assert before.count("#") == after.count("#")


@pytest.mark.parametrize(
    ("change", "there"),
    [
        ({"exclude_subreddits": ["r/ForHire", "forhire/"]}, ["ForHire"]),
        ({"exclude_authors": ["u/bob", "https://www.reddit.com/user/Bob"]}, ["bob"]),
        ({"exclude_authors": ["ada"]}, []),
        ({"negative_keywords": [" hiring", "giveaway ", "Giveaway"]}, ["giveaway"]),
    ],
)
def test_what_is_added_is_written_as_campaigns_are_read(
    tmp_path: Path, change: dict[str, list[str]], there: list[str]
) -> None:
    write(tmp_path, PLAIN + "exclude_authors: [u/Ada]\n")
    before = read_campaign(tmp_path / "crm.yaml").model_dump()
    after = edit_campaign(tmp_path, "crm", **change).model_dump()  # type: ignore[arg-type]
    before_, after_ = (
        each["negative_keywords"] + each["exclude_authors"] + each["subreddits"]["exclude"] for each in (before, after)
    )
    assert [each for each in after_ if each not in before_] == there


def test_the_line_ends_of_windows_are_kept_and_an_empty_key_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "crm.yaml"
    path.write_bytes(b"name: CRM\r\nproduct: A CRM.\r\nkeywords: [crm]\r\nnegative_keywords:\r\n")
    edit_campaign(tmp_path, "crm", negative_keywords=["hiring"])
    assert path.read_bytes().splitlines(keepends=True)[2:] == [
        b"keywords: [crm]\r\n",
        b"negative_keywords: [hiring]\r\n",
    ]


def test_keys_that_are_not_there_are_added(tmp_path: Path) -> None:
    path = write(tmp_path, "name: CRM\nproduct: A CRM.\nkeywords: [crm]\n")
    edit_campaign(
        tmp_path,
        "crm",
        negative_keywords=['"reference: material"'],
        exclude_authors=["bot"],
        settings={"CUE_ASKING": 0.1},
    )
    campaign = read_campaign(path)
    assert campaign.negative_keywords == ['"reference: material"']
    assert campaign.exclude_authors == ["bot"]
    assert campaign.settings == {"CUE_ASKING": 0.1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": {"COSINE_TRESHOLD": 0.3}}, "did you mean COSINE_THRESHOLD"),
        ({"settings": {"COSINE_THRESHOLD": 7}}, "COSINE_THRESHOLD is 7"),
        ({"exclude_subreddits": ["not a name"]}, "subreddits.exclude"),
        ({"negative_keywords": ['"open']}, "negative_keywords"),
    ],
)
def test_what_would_not_be_valid_leaves_the_file_as_it_was(tmp_path: Path, change: dict, said: str) -> None:
    path = write(tmp_path, PLAIN)
    with pytest.raises(Exception, match=said):
        edit_campaign(tmp_path, "crm", **change)
    assert path.read_text(encoding="utf-8") == PLAIN
    assert [each.name for each in tmp_path.iterdir()] == ["crm.yaml"]


@pytest.mark.parametrize("enabled", ["no", "off", "false"])
def test_words_that_yaml_versions_read_otherwise_stay_as_they_are(tmp_path: Path, enabled: str) -> None:
    path = write(tmp_path, f"name: CRM\nproduct: A CRM.\nkeywords: [crm, on]\nenabled: {enabled}\n".replace(", on", ""))
    edit_campaign(tmp_path, "crm", exclude_authors=["bot"])
    assert f"enabled: {enabled}" in path.read_text(encoding="utf-8")
    assert read_campaign(path).enabled is False


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, PLAIN)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("lead_assets.config.campaign_edits.write_whole", refuse)
    with pytest.raises(CampaignInvalid, match=r"cannot be written \(Permission denied\). Make the folder writable"):
        edit_campaign(tmp_path, "crm", exclude_authors=["bot"])


def test_an_unknown_campaign_is_told(tmp_path: Path) -> None:
    with pytest.raises(CampaignUnknown):
        edit_campaign(tmp_path, "crm", exclude_authors=["bot"])
