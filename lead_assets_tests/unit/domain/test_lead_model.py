import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from lead_assets.config.lead_models import lead_model_for, read_lead_model, write_lead_model
from lead_assets.domain.lead_features import BY_NAME, FEATURES, VECTOR, feature_matrix
from lead_assets.domain.lead_marks import FEWEST, fit_posterior, no_marks, places_of
from lead_assets.domain.lead_model import (
    Coefficient,
    LeadModel,
    described,
    logit,
    probability,
    what_would_change,
    with_reading,
)
from lead_assets.domain.lead_training import LabelledCampaign, train
from lead_assets.domain.settings import Settings
from lead_assets.domain.wording import WORDING, is_foreign, wording_of
from lead_assets.models.local_embedder import LocalEmbedder

RANDOM = np.random.default_rng(3)
NAMES = [each.name for each in WORDING]


def documents(count: int, **columns: object) -> pd.DataFrame:
    """Documents that say nothing, but for ``columns``."""
    numbers = dict.fromkeys(
        [
            *("cosine_similarity", "product_similarity", "intent_similarity", "keyword_coherence", "keyword_words"),
            *("keyword_in_title", "keyword_place", "asking_cue", "selling_cue", "body_characters"),
        ],
        0.0,
    )
    frame = pd.DataFrame(numbers, index=range(count)).assign(is_foreign=False)
    return frame.assign(wording=pd.Series([[0.0] * len(WORDING)] * count, dtype=object), **columns)


def unit_vectors(count: int, dimension: int = 8) -> np.ndarray:
    vectors = RANDOM.standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def learnable(name: str = "made up", count: int = 60) -> LabelledCampaign:
    """A campaign whose leads ask and whose vectors point one way."""
    asking = np.tile([0.9, 0.1], count // 2)
    vectors = unit_vectors(count)
    vectors[:, 0] = np.where(asking > 0.5, 1.0, -1.0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.where(asking > 0.5, 2, 0)
    return LabelledCampaign(name, documents(count, asking_cue=asking), vectors, labels, np.ones(count, dtype=bool))


def test_every_feature_is_a_finite_number_of_each_document() -> None:
    frame = documents(3, body_characters=[0.0, 10.0, 40_000.0], keyword_words=[0.0, 1.0, 50.0])
    values = feature_matrix(frame, tuple(BY_NAME))
    assert values.shape == (3, len(FEATURES))
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 1.5
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)


@pytest.mark.parametrize(
    ("name", "title", "body", "expected"),
    [
        ("head_question", "Which CRM?", "", 1.0),
        ("head_question", "A CRM.", "Is it?", 0.0),
        ("body_questions", "Which CRM?", "Is it good? Or not?", 0.6),
        ("body_questions", "A CRM", "> Is it good?\n\nYes.", 0.0),
        ("head_looking", "", "Looking for a CRM. It is big.", 1.0),
        ("head_teaching", "How to choose a CRM", "", 1.0),
        ("head_made", "I built a CRM", "", 1.0),
        ("head_problem", "My CRM doesn\u2019t sync", "", 1.0),
        ("link", "A CRM", "See https://example.com", 1.0),
        ("money", "A CRM", "at most $ 20", 1.0),
    ],
)
def test_wording_is_counted_where_its_author_wrote_it(name: str, title: str, body: str, expected: float) -> None:
    assert wording_of(title, body)[NAMES.index(name)] == pytest.approx(expected)


def test_only_what_is_plainly_not_english_is_foreign() -> None:
    german = "Welche Software benutzt ihr, wenn ihr eure Kunden und Rechnungen verwalten müsst und wenig Zeit habt?"
    assert is_foreign("", german)
    assert is_foreign("顧客管理ソフトを探しています", "")
    assert not is_foreign("CRM?", "")
    assert not is_foreign("Which CRM", "do you use to keep track of your clients when you have no time for it?")


def test_the_parts_and_the_intercept_sum_to_the_log_odds() -> None:
    model = train([learnable()], "model", {})
    campaign = learnable()
    judged = model.judge(campaign.frame, campaign.matrix)
    assert judged.names[-1] == VECTOR
    assert judged.log_odds == pytest.approx(model.intercept + judged.terms.sum(axis=1))
    told = [sum(part.values()) for part in judged.parts(least=0.0)]
    assert told == pytest.approx(judged.terms.sum(axis=1), abs=0.02)


def test_training_finds_what_leads_have_in_common_and_gives_the_same_model_again() -> None:
    campaigns = [learnable("one"), learnable("two", 40)]
    model = train(campaigns, "model", {"card": 1})
    likely = probability(model.judge(campaigns[0].frame, campaigns[0].matrix).log_odds)
    assert likely[campaigns[0].labels == 2].min() > 0.8
    assert likely[campaigns[0].labels == 0].max() < 0.2
    assert train(campaigns, "model", {"card": 1}) == model


def test_a_campaign_weighs_the_same_however_many_of_its_documents_are_labelled() -> None:
    one, other = learnable("one"), learnable("two")
    other = LabelledCampaign("two", other.frame, -other.matrix, 2 - other.labels, other.is_random)
    often = LabelledCampaign(
        "two", pd.concat([other.frame] * 3), np.vstack([other.matrix] * 3), np.tile(other.labels, 3), np.ones(180, bool)
    )
    even, uneven = train([one, other], None, {}), train([one, often], None, {})
    asking = [each.features["asking_cue"].weight for each in (even, uneven)]
    assert asking == pytest.approx([0.0, 0.0], abs=1e-3)


def test_training_needs_both_kinds_of_documents() -> None:
    campaign = learnable()
    leads = LabelledCampaign("x", campaign.frame, campaign.matrix, np.full(60, 2), campaign.is_random)
    with pytest.raises(ValueError, match="leads and documents that are none"):
        train([leads], "model", {})


def test_a_text_in_another_language_gets_the_base_rate() -> None:
    model = train([learnable()], "model", {})
    frame = documents(2, asking_cue=0.9, is_foreign=[True, False])
    likely = probability(model.judge(frame, unit_vectors(2)).log_odds)
    assert likely[0] == pytest.approx(model.base_rate)
    assert likely[1] != pytest.approx(model.base_rate)


def test_a_model_that_reads_vectors_names_its_embedder() -> None:
    with pytest.raises(ValidationError, match="must name its embedder"):
        LeadModel(
            embedder=None,
            base_rate=0.1,
            intercept=0,
            features={"cosine_similarity": Coefficient(mean=0, scale=1, weight=1)},
            card={},
        )
    with pytest.raises(ValidationError, match="no feature 'charm'"):
        LeadModel(
            embedder="m",
            base_rate=0.1,
            intercept=0,
            features={"charm": Coefficient(mean=0, scale=1, weight=1)},
            card={},
        )


def test_the_shipped_models_say_what_they_are_and_hold_no_text(tmp_path) -> None:
    local = lead_model_for(Settings(), LocalEmbedder.model)
    other = lead_model_for(Settings(), "text-embedding-3-small")
    assert (local.embedder, len(local.vector)) == (LocalEmbedder.model, LocalEmbedder.dimension)
    assert (other.embedder, other.vector) == (None, [])
    for model in (local, other):
        assert model.card["labelled"] == sum(each["labelled"] for each in model.card["campaigns"])
        assert model.card["left_out"]["ndcg@10"] > 0.7
        write_lead_model(model, tmp_path / "model.json")
        assert read_lead_model(tmp_path / "model.json") == model
        assert "t3_" not in (tmp_path / "model.json").read_text(encoding="utf-8")


def test_the_base_rate_is_below_the_threshold_so_that_knowing_nothing_makes_no_lead() -> None:
    assert lead_model_for(Settings(), LocalEmbedder.model).base_rate < Settings().min_lead_probability


def test_a_language_model_s_reading_moves_the_probability_both_ways() -> None:
    assert with_reading(0.3, True, 0.9) > 0.8
    assert with_reading(0.3, False, 0.1) < 0.05
    assert with_reading(0.3, False, 0.9) == pytest.approx(with_reading(0.3, False, 0.1))
    assert with_reading(0.3, True, 0.0) == pytest.approx(0.3)


def test_a_part_is_told_in_words_and_by_its_direction() -> None:
    model = train([learnable()], "model", {})
    weight = model.features["asking_cue"].weight
    assert described("asking_cue", weight, model) == "words of asking"
    assert described("asking_cue", -weight, model) == "less than usual: words of asking"
    assert "0.10 is below MIN_LEAD_PROBABILITY (0.18)" in what_would_change(0.1, 0.18)


def marked(count: int, *, contradicting: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Documents of two sorts that the model takes for alike; of ``count`` marked ones those of one sort are leads."""
    matrix = unit_vectors(200, 16)
    matrix[:, 0] = np.tile([2.0, -2.0], 100)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    places = np.arange(count)
    is_lead = RANDOM.permutation(places % 2) if contradicting else (places % 2 == 0)
    return np.zeros(200), matrix, places, is_lead.astype(float)


def test_marks_raise_what_is_like_marked_leads_and_lower_what_is_like_the_others() -> None:
    log_odds, matrix, places, is_lead = marked(20)
    posterior = fit_posterior(log_odds, matrix, places, is_lead)
    assert posterior.learned == "texts"
    assert posterior.loss_after < posterior.loss_before
    assert posterior.added[20::2].min() > posterior.added[21::2].max()
    again = fit_posterior(log_odds, matrix, places, is_lead)
    assert (again.added == posterior.added).all()


def test_more_marks_weigh_more() -> None:
    few, many = (fit_posterior(*marked(count)) for count in (8, 60))
    assert few.weight < many.weight
    assert np.abs(few.added).mean() < np.abs(many.added).mean()


def test_the_guard_refuses_marks_that_do_not_foretell_each_other() -> None:
    matrix = unit_vectors(40, 2)
    matrix[:] = matrix[0]
    is_lead = np.tile([1.0, 0.0], 10)
    posterior = fit_posterior(np.zeros(40), matrix, np.arange(20), is_lead)
    assert posterior.learned == "nothing"
    assert not posterior.added.any()


def test_marks_that_nearly_all_agree_move_all_documents_alike_and_keep_their_order() -> None:
    """Which way among the vectors a single exception points is chance."""
    matrix = unit_vectors(60, 16)
    is_lead = np.ones(20)
    is_lead[7] = 0.0
    posterior = fit_posterior(np.zeros(60), matrix, np.arange(20), is_lead)
    assert posterior.learned == "share of leads"
    assert posterior.added.min() == pytest.approx(posterior.added.max())
    assert posterior.added.min() > 0


def test_too_few_marks_change_nothing() -> None:
    posterior = fit_posterior(*marked(FEWEST - 1))
    assert (posterior.learned, posterior.loss_before) == ("nothing", None)
    assert not posterior.added.any()


def test_marks_of_documents_that_are_gone_are_left_out() -> None:
    ids = pd.Series(["t3_a", "t3_b", "t3_c"])
    marks = pd.DataFrame({"reddit_id": ["t3_c", "t3_gone", "t3_a"], "is_lead": [True, True, False]})
    places, is_lead = places_of(marks, ids)
    assert places.tolist() == [2, 0]
    assert is_lead.tolist() == [1.0, 0.0]
    assert [len(each) for each in places_of(no_marks(), ids)] == [0, 0]


def test_probability_and_log_odds_are_each_other_s_inverse() -> None:
    assert probability(logit([0.1, 0.5, 0.9])) == pytest.approx([0.1, 0.5, 0.9])
