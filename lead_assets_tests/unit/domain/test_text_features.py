import pandas as pd
import pytest

from lead_assets.domain import text_features as module
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.candidate import text_frame
from lead_assets.domain.cues import ASKING, CueTable, asking_cue, selling_cue
from lead_assets.domain.keywords import KeywordMatcher
from lead_assets.domain.reposts import find_reposts
from lead_assets.domain.text_features import FEATURES, text_features


def test_the_cues_are_those_of_title_and_body() -> None:
    title, body = "Can anyone recommend a CRM?", "I built one too, check it out."
    found = text_features(title, body)
    assert (found.asking_cue, found.selling_cue) == (asking_cue(title, body), selling_cue(title, body))


def test_what_looks_the_same_to_a_reader_has_the_same_keys() -> None:
    one = text_features("Which CRM?  (x-post from /r/sales)", "We are THREE people…")
    other = text_features("which crm", "we are three people")
    assert (one.title_key, one.body_key, one.characters) == (other.title_key, other.body_key, other.characters)
    assert one.title_key != text_features("Which CRMs?", "").title_key
    assert (other.characters, other.body_characters) == (9 + 19, 19)


def test_another_cue_table_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._version() == module.VERSION
    monkeypatch.setattr(module, "ASKING", CueTable(*list(ASKING)[1:]))
    assert module._version() != module.VERSION


def test_a_keyword_s_matches_are_kept_by_all_that_they_depend_on() -> None:
    digest = KeywordMatcher(["crm"], ["hiring"]).digest
    assert KeywordMatcher(["crm"], ["hiring"]).digest == digest
    assert len({digest, KeywordMatcher(["crm", "hiring"]).digest, KeywordMatcher(["crms"], ["hiring"]).digest}) == 3


CAMPAIGN = Campaign(id="crm", name="x", product="x", keywords=["crm", "clients"], negative_keywords=["hiring"])


def test_a_comment_is_judged_by_its_own_words_not_its_post_s_title() -> None:
    title = "Can anyone recommend a CRM for many clients? We are hiring, too, and in need of everything else as well."
    texts = pd.DataFrame({"kind": ["comment", "post"], "title": [title, title], "body": ["Following.", "Following."]})
    found = text_frame(texts, CAMPAIGN)
    assert found["asking_cue"].tolist() == [
        text_features("", "Following.").asking_cue,
        text_features(title, "Following.").asking_cue,
    ]
    assert found["keyword_hits"].tolist() == [0.0, 0.0]
    assert found["ruled_out"].tolist() == [False, True]
    assert found.loc[0, "characters"] == len("following")


def test_two_people_who_say_the_same_few_words_under_one_post_are_two() -> None:
    title = (
        "A title that is a good deal longer than what is needed for two texts to count as one text, whoever wrote it"
    )
    texts = pd.DataFrame({"kind": ["comment"] * 2, "title": [title] * 2, "body": ["Try a CRM."] * 2})
    frame = text_frame(texts, CAMPAIGN)[list(FEATURES)].assign(reddit_id=["t1_a", "t1_b"], author=["ann", "bob"])
    assert find_reposts(frame).tolist() == [None, None]
