import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lead_assets.domain.document_text import document_text, text_hash
from lead_assets.domain.reposts import find_reposts
from lead_assets.domain.score_components import Weights
from lead_assets.domain.scoring import (
    asking_phrases,
    centroid,
    contributions,
    cosine,
    fuse,
    lexical,
    relevance,
    telling_phrases,
)
from lead_assets.domain.text_features import FEATURES, text_features

LONG = "I run a small bakery and need a tool that keeps track of my customers, their orders and what they still owe me."


def frame(**columns: list[float]) -> pd.DataFrame:
    defaults = {
        "cosine_similarity": [0.5],
        "product_similarity": [0.5],
        "lexical": [1.0],
        "intent_similarity": [0.0],
        "asking_cue": [0.0],
        "selling_cue": [0.0],
    }
    return pd.DataFrame(defaults | columns, index=pd.Index(["t3_a"]))


def duplicates(*documents: tuple[str, str | None, str]) -> list[str | None]:
    found = pd.DataFrame(documents, columns=["id", "author", "text"]).astype(object)
    features = [text_features(*text.split("\n\n", 1)) for text in found["text"]]
    frame = pd.DataFrame(features, columns=list(FEATURES)).assign(reddit_id=found["id"], author=found["author"])
    return find_reposts(frame).tolist()


def test_a_document_is_its_title_and_its_body() -> None:
    assert document_text("Title", "Body") == "Title\n\nBody"


def test_a_text_hash_is_that_of_its_utf8_bytes() -> None:
    assert text_hash("é") == "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"
    assert text_hash("\ud800") == text_hash("?")


def test_phrases_name_every_keyword_and_the_product_without_quotes() -> None:
    asking = asking_phrases(['"follow up"', "crm"], "A simple CRM.")
    assert "Can anyone recommend a good follow up?" in asking
    assert "Can anyone recommend a good A simple CRM?" in asking
    assert len(telling_phrases(["crm"], "A CRM.")) * 3 == len(telling_phrases(["a", "b", "c", "d", "e"], "A CRM."))


def test_braces_in_a_keyword_are_text() -> None:
    assert any("{topic}" in phrase for phrase in asking_phrases(["{topic}"], "{0}"))


def test_a_centroid_is_of_unit_length_and_between_its_vectors() -> None:
    center = centroid(np.eye(2, dtype=np.float32))
    assert center.dtype == np.float32
    np.testing.assert_allclose(center, [0.5**0.5, 0.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(cosine(np.eye(2, dtype=np.float32), center), [0.5**0.5] * 2, rtol=1e-6)


@pytest.mark.parametrize("vectors", [np.zeros((0, 3)), np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[np.nan, 1.0]])])
def test_vectors_without_a_common_direction_have_no_centroid(vectors: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"centroid|direction"):
        centroid(vectors)


def test_lexical_is_one_where_every_word_of_some_keyword_matched() -> None:
    one_word, two_words = 5.787e17, 1.158e18
    scores = lexical([[two_words, 0], [one_word, 0], [0, one_word], [0, 0]], [2, 1])
    np.testing.assert_allclose(scores, [1.0, 0.634, 1.0, 0.0], atol=0.01)


def test_lexical_of_nothing_is_nothing() -> None:
    assert lexical(np.zeros((0, 3)), [1, 2, 3]).shape == (0,)
    assert lexical(np.zeros((2, 0)), []).tolist() == [0.0, 0.0]


def test_weights_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="sum to 1"):
        Weights(cosine=0.9, lexical=0.9, intent=0.0)


def test_the_fused_score_is_the_sum_of_its_contributions() -> None:
    rows = frame(asking_cue=[0.5], selling_cue=[0.25])
    parts = contributions(rows, Weights())
    assert fuse(rows, Weights()).tolist() == pytest.approx(parts.sum(axis=1).tolist())
    assert parts["selling_cue"].lt(0).all()
    assert parts["asking_cue"].gt(0).all()


def test_asking_lifts_and_selling_lowers_a_document() -> None:
    weights = Weights()
    plain = fuse(frame(), weights).iloc[0]
    assert fuse(frame(asking_cue=[1.0]), weights).iloc[0] > plain
    assert fuse(frame(selling_cue=[1.0]), weights).iloc[0] < plain
    assert fuse(frame(intent_similarity=[0.1]), weights).iloc[0] > plain


def test_closeness_to_the_product_raises_the_score_and_a_negative_one_counts_as_none() -> None:
    weights = Weights(cosine=0.5, product=0.3)
    near, far, opposite = (fuse(frame(product_similarity=[value]), weights).iloc[0] for value in (0.6, 0.0, -0.6))
    assert near == pytest.approx(far + 0.3 * 0.6)
    assert opposite == far


def test_an_unknown_component_makes_the_score_unknown() -> None:
    assert np.isnan(fuse(frame(lexical=[np.nan]), Weights()).iloc[0])


def test_an_empty_frame_fuses_to_an_empty_series() -> None:
    assert fuse(frame().iloc[:0], Weights()).empty


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_the_fused_score_stays_within_zero_and_one(values: list[float]) -> None:
    names = ["cosine_similarity", "product_similarity", "lexical", "intent_similarity", "asking_cue", "selling_cue"]
    scores = fuse(frame(**{name: [value] for name, value in zip(names, values, strict=True)}), Weights())
    assert scores.between(0, 1).all()


def test_relevance_needs_both_a_score_and_confidence() -> None:
    assert relevance([0.0, 1.0, 1.0], [1.0, 0.0, 1.0]).tolist() == [0.0, 0.0, 1.0]
    assert relevance(0.6, 0.9) > relevance(0.6, 0.5)


def test_a_cross_post_repeats_the_first_one() -> None:
    assert duplicates(
        ("t3_a", "ann", f"Tool?\n\n{LONG}"), ("t3_b", "ann", f"TOOL!  (x-post from /r/startups)\n\n{LONG}")
    ) == [
        None,
        "t3_a",
    ]


def test_a_long_text_is_the_same_whoever_posts_it() -> None:
    assert duplicates(("t3_a", "ann", f"Tool?\n\n{LONG}"), ("t3_b", None, f"Tool?\n\n{LONG}")) == [None, "t3_a"]


def test_a_short_question_of_two_people_is_two_documents() -> None:
    assert duplicates(("t3_a", "ann", "Which CRM?\n\n"), ("t3_b", "bob", "Which CRM?\n\n")) == [None, None]
    assert duplicates(("t3_a", None, "Which CRM do you use?\n\n"), ("t3_b", None, "Which CRM do you use?\n\n")) == [
        None,
        None,
    ]


def test_a_short_question_of_one_person_is_one_document() -> None:
    assert duplicates(("t3_a", "ann", "Which CRM do you use?\n\n"), ("t3_b", "ann", "which crm do you use\n\n")) == [
        None,
        "t3_a",
    ]


def test_one_author_s_long_body_under_another_title_is_the_same() -> None:
    assert duplicates(("t3_a", "ann", f"Tool?\n\n{LONG} {LONG}"), ("t3_b", "ann", f"Help me\n\n{LONG} {LONG}")) == [
        None,
        "t3_a",
    ]
    assert duplicates(("t3_a", "ann", f"Tool?\n\n{LONG} {LONG}"), ("t3_b", "bob", f"Help me\n\n{LONG} {LONG}")) == [
        None,
        None,
    ]


def test_all_repeats_name_the_same_first_document() -> None:
    text = f"Tool?\n\n{LONG}"
    assert duplicates(("t3_a", "ann", text), ("t3_b", "bob", text), ("t3_c", None, text)) == [None, "t3_a", "t3_a"]


def test_empty_texts_are_never_duplicates() -> None:
    assert duplicates(("t3_a", "ann", "\n\n"), ("t3_b", "ann", "\n\n")) == [None, None]


def test_duplicates_keep_their_index() -> None:
    frame = pd.DataFrame([text_features("x", "y")], columns=list(FEATURES), index=[7])
    assert find_reposts(frame.assign(reddit_id="t3_a", author=None)).index.tolist() == [7]
