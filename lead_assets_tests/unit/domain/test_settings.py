"""Settings: the layers, weakest first, and what is refused."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lead_assets.config.environment import Environment
from lead_assets.defs.resources import RunSettings
from lead_assets.domain.errors import InvalidInput, SettingInvalid
from lead_assets.domain.settings import DEFAULT, NAMES, Layer, Resolved, Settings, resolve

DEFAULTS: dict[str, Any] = {
    "REDDIT_DEDUP_TTL_SECONDS": 604_800,
    "REDDIT_MAX_POST_AGE_MONTHS": 18.0,
    "REDDIT_MIN_UPVOTE_RATIO": 0.40,
    "REDDIT_SKIP_NSFW": True,
    "REDDIT_MIN_SUB_SUBSCRIBERS": 1000,
    "REDDIT_MIN_SUB_RATIO": 0.0,
    "REDDIT_MIN_AUTHOR_KARMA": 15,
    "COSINE_THRESHOLD": None,
    "RELEVANCE": "probability",
    "MIN_LEAD_PROBABILITY": 0.18,
    "LEAD_MODEL": "",
    "MIN_ENGAGEMENT_SCORE": 1,
    "MIN_KEYWORD_HITS": 1,
    "KEYWORD_HITS_COSINE": 0.30,
    "MIN_FUSED_SCORE_THRESHOLD": 0.10,
    "WEIGHT_COSINE": 0.55,
    "WEIGHT_PRODUCT": 0.25,
    "WEIGHT_LEXICAL": 0.1,
    "WEIGHT_INTENT": 0.1,
    "CUE_ASKING": 0.15,
    "CUE_SELLING": 0.15,
    "REDDIT_REQUESTS_PER_MINUTE": 100.0,
    "REDDIT_MAX_REQUESTS_PER_RUN": 300,
    "REDDIT_MAX_COMMENT_REQUESTS_PER_RUN": 10,
    "REDDIT_RETRY_SECONDS": 120.0,
    "GATE_WARN_REJECTION_RATE": 0.98,
    "EMBEDDER": "auto",
    "EMBEDDING_MODEL": "text-embedding-3-small",
    "EMBEDDING_CONCURRENCY": 4,
    "EMBEDDING_MAX_INPUT_TOKENS": 8192,
    "EMBEDDING_MAX_REQUEST_TOKENS": 300_000,
    "EXTRACTOR": "auto",
    "LLM_MODEL": "gpt-4o-mini",
    "LLM_CONCURRENCY": 8,
    "LLM_MAX_CALLS_PER_RUN": 1000,
    "LLM_MAX_COST_PER_RUN": 0.0,
    "LLM_MAX_DOCUMENT_TOKENS": 8000,
    "LLM_MAX_OUTPUT_TOKENS": 1500,
    "MODEL_PRICES": "",
    "OPENAI_TIMEOUT_SECONDS": 60.0,
    "OPENAI_RETRY_SECONDS": 120.0,
    "STORE_CONTACTS": None,
    "RETENTION_DAYS": 0.0,
}
WEIGHTS = ("WEIGHT_COSINE", "WEIGHT_PRODUCT", "WEIGHT_LEXICAL", "WEIGHT_INTENT")
BOOLEANS = frozenset({"REDDIT_SKIP_NSFW", "STORE_CONTACTS"})
TEXTS: dict[str, tuple[str, str, str]] = {
    "RELEVANCE": ("fused", "probability", "fused"),
    "LEAD_MODEL": ("a.json", "b.json", "c.json"),
    "EMBEDDER": ("openai", "local", "openai"),
    "EMBEDDING_MODEL": ("model-a", "model-b", "model-c"),
    "EXTRACTOR": ("openai", "rules", "openai"),
    "LLM_MODEL": ("model-a", "model-b", "model-c"),
    "MODEL_PRICES": ('{"a": [1, 2]}', '{"b": [1, 2]}', '{"c": [1, 2]}'),
}
WHOLE = frozenset(
    {
        "REDDIT_DEDUP_TTL_SECONDS",
        "REDDIT_MIN_SUB_SUBSCRIBERS",
        "REDDIT_MIN_AUTHOR_KARMA",
        "REDDIT_MAX_REQUESTS_PER_RUN",
        "REDDIT_MAX_COMMENT_REQUESTS_PER_RUN",
        "MIN_ENGAGEMENT_SCORE",
        "MIN_KEYWORD_HITS",
        "EMBEDDING_CONCURRENCY",
        "EMBEDDING_MAX_INPUT_TOKENS",
        "EMBEDDING_MAX_REQUEST_TOKENS",
        "LLM_CONCURRENCY",
        "LLM_MAX_CALLS_PER_RUN",
        "LLM_MAX_DOCUMENT_TOKENS",
        "LLM_MAX_OUTPUT_TOKENS",
    }
)
FRACTIONS = tuple(name for name in NAMES if name not in WHOLE | BOOLEANS | TEXTS.keys())
ORIGINS = ("environment", "campaign shop", "run config")
# One value an origin, each valid and none a default.
WHOLE_VALUES = (21, 22, 23)
FRACTION_VALUES = (0.55, 0.65, 0.75)


def set_to(name: str, rank: int) -> dict[str, Any]:
    """A layer's values that set ``name`` to the value of the ``rank``-th origin; weights bring their others along."""
    if name in BOOLEANS:
        return {name: rank % 2 == 1}
    if name in TEXTS:
        return {name: TEXTS[name][rank]}
    if name in WHOLE:
        return {name: WHOLE_VALUES[rank]}
    value = FRACTION_VALUES[rank]
    if name not in WEIGHTS:
        return {name: value}
    first, *others = (other for other in WEIGHTS if other != name)
    return {name: value, first: 1 - value, **dict.fromkeys(others, 0.0)}


def value_of(resolved: Resolved, name: str) -> Any:
    return resolved.settings.model_dump(by_alias=True)[name]


def _in_yaml(value: str) -> str:
    """A value as a campaign file has it: braces would begin a mapping."""
    return f"'{value}'" if value.startswith("{") else value


def as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """``values`` as the environment holds them."""
    return {name: str(value) for name, value in values.items()}


def test_the_settings_and_their_defaults_are_these() -> None:
    assert Settings().model_dump(by_alias=True) == DEFAULTS
    assert tuple(DEFAULTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_without_layers_a_setting_has_its_default(name: str) -> None:
    resolved = resolve([])

    assert value_of(resolved, name) == DEFAULTS[name]
    assert resolved.origins[name] == DEFAULT


@pytest.mark.parametrize("highest", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_the_strongest_layer_that_sets_a_setting_wins(name: str, highest: int) -> None:
    layers = [Layer(ORIGINS[rank], set_to(name, rank)) for rank in range(highest + 1)]

    resolved = resolve(layers)

    assert value_of(resolved, name) == set_to(name, highest)[name]
    assert resolved.origins[name] == ORIGINS[highest]


@pytest.mark.parametrize("weaker", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_a_stronger_layer_that_is_silent_leaves_the_weaker_value(name: str, weaker: int) -> None:
    layers = [Layer(origin, set_to(name, rank) if rank == weaker else {}) for rank, origin in enumerate(ORIGINS)]

    resolved = resolve(layers)

    assert value_of(resolved, name) == set_to(name, weaker)[name]
    assert resolved.origins[name] == ORIGINS[weaker]


@pytest.mark.parametrize("unset", [None, ""])
@pytest.mark.parametrize("name", NAMES)
def test_empty_and_none_mean_unset_in_every_layer(name: str, unset: str | None) -> None:
    over_nothing = resolve([Layer(origin, {name: unset}) for origin in ORIGINS])
    over_something = resolve([Layer("environment", set_to(name, 0)), *(Layer(o, {name: unset}) for o in ORIGINS[1:])])

    assert value_of(over_nothing, name) == DEFAULTS[name]
    assert over_nothing.origins[name] == DEFAULT
    assert value_of(over_something, name) == set_to(name, 0)[name]
    assert over_something.origins[name] == "environment"


@pytest.mark.parametrize("highest", range(-1, 3))
@pytest.mark.parametrize("name", NAMES)
def test_a_run_lays_environment_campaign_file_and_run_config_in_this_order(
    name: str, highest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in NAMES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path))
    lines = ["name: Shop", "product: A shop.", "keywords: [shop]", "source: archive", "archive: {path: a.ndjson}"]
    if highest >= 0:
        for key, value in as_text(set_to(name, 0)).items():
            monkeypatch.setenv(key, value)
    if highest >= 1:
        lines += ["settings:", *(f"  {key}: {_in_yaml(value)}" for key, value in as_text(set_to(name, 1)).items())]
    (tmp_path / "shop.yaml").write_text("\n".join(lines))
    run_config = set_to(name, 2) if highest >= 2 else {}

    brief = RunSettings(**run_config).resolve("shop")

    expected = set_to(name, highest)[name] if highest >= 0 else DEFAULTS[name]
    assert value_of(brief.resolved, name) == expected
    assert brief.set_by(name) == (ORIGINS[highest] if highest >= 0 else DEFAULT)


def test_the_environment_hands_on_every_setting_and_nothing_else() -> None:
    variables = dict.fromkeys(NAMES, "1") | {"PATH": "/bin", "REDDIT_CLIENT_ID": "x"}

    assert dict(Environment.read(variables).settings) == dict.fromkeys(NAMES, "1")


@pytest.mark.parametrize("name", ["LEAD_ASSETS_HOME", "LEAD_ASSETS_CAMPAIGNS", "REJECTION_LOG_DIR"])
def test_a_folder_in_the_home_folder_of_nobody_is_told_with_its_variable(name: str) -> None:
    with pytest.raises(SettingInvalid, match=f"environment: {name} is '~nosuchuser/x', but there is no home folder"):
        Environment.read({name: "~nosuchuser/x"})


@pytest.mark.parametrize("name", sorted(WHOLE))
@pytest.mark.parametrize(("text", "value"), [("7", 7), (" 7 ", 7), ("7.0", 7)])
def test_text_of_the_environment_becomes_a_whole_number(name: str, text: str, value: int) -> None:
    found = value_of(resolve([Layer("environment", {name: text})]), name)

    assert found == value
    assert type(found) is int


@pytest.mark.parametrize("name", [name for name in FRACTIONS if name not in WEIGHTS])
@pytest.mark.parametrize(("text", "value"), [("0.25", 0.25), ("1", 1.0), ("5e-1", 0.5)])
def test_text_of_the_environment_becomes_a_fraction(name: str, text: str, value: float) -> None:
    found = value_of(resolve([Layer("environment", {name: text})]), name)

    assert found == value
    assert type(found) is float


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("true", "True", "1", "yes", "on")),
        *((text, False) for text in ("false", "FALSE", "0", "no", "off")),
    ],
)
def test_text_of_the_environment_becomes_yes_or_no(text: str, value: bool) -> None:
    assert resolve([Layer("environment", {"REDDIT_SKIP_NSFW": text})]).settings.reddit_skip_nsfw is value


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("COSINE_TRESHOLD", "COSINE_THRESHOLD"),
        ("cosine_threshold", "COSINE_THRESHOLD"),
        ("REDDIT_MIN_KARMA", "REDDIT_MIN_AUTHOR_KARMA"),
        ("WEIGHT_LEXICL", "WEIGHT_LEXICAL"),
    ],
)
def test_an_unknown_name_is_refused_with_its_origin_and_the_name_that_was_meant(wrong: str, meant: str) -> None:
    with pytest.raises(SettingInvalid) as refused:
        resolve([Layer("campaign shop", {wrong: 1})])

    assert str(refused.value).startswith(f"campaign shop: there is no setting {wrong!r}; did you mean {meant}?")


def test_a_name_like_no_other_is_refused_with_where_the_names_are() -> None:
    with pytest.raises(SettingInvalid, match=r"^run config: there is no setting 'zzz'; the names are in "):
        resolve([Layer("run config", {"zzz": 1})])


def test_a_refusal_ends_with_one_mark() -> None:
    with pytest.raises(SettingInvalid) as refused:
        resolve([Layer("environment", {"COSINE_TRESHOLD": 1})])

    expected = "environment: there is no setting 'COSINE_TRESHOLD'; did you mean COSINE_THRESHOLD?"
    assert str(refused.value) == expected


def test_an_unknown_name_that_is_not_set_is_not_looked_at() -> None:
    assert resolve([Layer("environment", {"NO_SUCH": "", "NOR_THIS": None})]).settings == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDDIT_DEDUP_TTL_SECONDS", -1),
        ("REDDIT_MAX_POST_AGE_MONTHS", 0),
        ("REDDIT_MIN_UPVOTE_RATIO", 1.01),
        ("REDDIT_MIN_UPVOTE_RATIO", -0.01),
        ("REDDIT_SKIP_NSFW", "perhaps"),
        ("REDDIT_MIN_SUB_SUBSCRIBERS", -1),
        ("REDDIT_MIN_SUB_RATIO", "-0.5"),
        ("REDDIT_MIN_AUTHOR_KARMA", "many"),
        ("COSINE_THRESHOLD", 1.5),
        ("COSINE_THRESHOLD", "-1.5"),
        ("MIN_ENGAGEMENT_SCORE", 1.5),
        ("MIN_KEYWORD_HITS", -1),
        ("KEYWORD_HITS_COSINE", 2),
        ("MIN_FUSED_SCORE_THRESHOLD", -0.1),
        ("WEIGHT_COSINE", -0.1),
        ("WEIGHT_PRODUCT", -0.1),
        ("WEIGHT_LEXICAL", 1.1),
        ("WEIGHT_INTENT", "half"),
        ("CUE_ASKING", 1.1),
        ("CUE_SELLING", -0.1),
        ("REDDIT_REQUESTS_PER_MINUTE", 0),
        ("REDDIT_MAX_REQUESTS_PER_RUN", 4),
        ("REDDIT_MAX_COMMENT_REQUESTS_PER_RUN", -1),
        ("REDDIT_RETRY_SECONDS", -1),
        ("GATE_WARN_REJECTION_RATE", 98),
        ("EMBEDDER", "cloud"),
        ("RELEVANCE", "both"),
        ("MIN_LEAD_PROBABILITY", 1.1),
        ("MIN_LEAD_PROBABILITY", -0.1),
        ("EMBEDDING_CONCURRENCY", 0),
        ("EMBEDDING_MAX_INPUT_TOKENS", 0),
        ("EMBEDDING_MAX_REQUEST_TOKENS", 0),
        ("EXTRACTOR", "llm"),
        ("LLM_CONCURRENCY", 0),
        ("LLM_MAX_CALLS_PER_RUN", -1),
        ("LLM_MAX_COST_PER_RUN", -0.5),
        ("LLM_MAX_DOCUMENT_TOKENS", 0),
        ("LLM_MAX_OUTPUT_TOKENS", 0),
        ("MODEL_PRICES", '{"a": 1}'),
        ("OPENAI_TIMEOUT_SECONDS", 0),
        ("OPENAI_RETRY_SECONDS", -1),
        ("STORE_CONTACTS", "perhaps"),
        ("RETENTION_DAYS", -1),
    ],
)
@pytest.mark.parametrize("origin", ORIGINS)
def test_a_bad_value_is_refused_by_origin_name_and_value(origin: str, name: str, value: object) -> None:
    with pytest.raises(SettingInvalid) as refused:
        resolve([Layer("elsewhere", {"MIN_ENGAGEMENT_SCORE": 3}), Layer(origin, {name: value})])

    assert str(refused.value).startswith(f"{origin}: {name} is {value!r}, but ")


def test_the_bad_value_cases_cover_every_setting() -> None:
    marks = test_a_bad_value_is_refused_by_origin_name_and_value.pytestmark  # type: ignore[attr-defined]
    cases = next(mark.args[1] for mark in marks if mark.args[0] == ("name", "value"))

    any_text = {"EMBEDDING_MODEL", "LLM_MODEL", "LEAD_MODEL"}
    assert {name for name, _ in cases} == set(NAMES) - any_text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "inf", "-inf", "Infinity"])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in BOOLEANS | TEXTS.keys()])
def test_what_is_not_finite_is_refused(name: str, value: float | str) -> None:
    with pytest.raises(SettingInvalid, match=f"^environment: {name} is "):
        resolve([Layer("environment", {name: value})])


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_do_not_sum_to_one_are_refused_with_their_sum(name: str) -> None:
    with pytest.raises(SettingInvalid) as refused:
        resolve([Layer("campaign shop", {name: DEFAULTS[name] + 0.15})])

    expected = "campaign shop: WEIGHT_COSINE, WEIGHT_PRODUCT, WEIGHT_LEXICAL and WEIGHT_INTENT must sum to 1, not 1.15."
    assert str(refused.value) == expected


def test_weights_may_come_from_several_layers_as_long_as_they_sum_to_one() -> None:
    layers = [Layer("environment", {"WEIGHT_COSINE": "0.2"}), Layer("campaign shop", {"WEIGHT_LEXICAL": 0.45})]

    weights = resolve(layers).settings.weights

    assert (weights.cosine, weights.product, weights.lexical, weights.intent) == (0.2, 0.25, 0.45, 0.1)


def test_weights_that_sum_to_one_but_for_rounding_are_fine() -> None:
    sevenths = {"WEIGHT_COSINE": 1 / 7, "WEIGHT_PRODUCT": 2 / 7, "WEIGHT_LEXICAL": 3 / 7, "WEIGHT_INTENT": 0.1428571}

    assert resolve([Layer("environment", sevenths)]).settings.weight_product == 2 / 7


def test_a_wrong_sum_is_blamed_on_who_set_weights_and_nobody_else() -> None:
    layers = [Layer("environment", {"MIN_ENGAGEMENT_SCORE": "3"}), Layer("campaign shop", {"WEIGHT_COSINE": 0.9})]

    with pytest.raises(SettingInvalid) as refused:
        resolve(layers)

    assert str(refused.value).startswith("campaign shop: WEIGHT_COSINE")


def test_the_cues_are_no_part_of_the_sum() -> None:
    weights = resolve([Layer("environment", {"CUE_ASKING": "1", "CUE_SELLING": "0"})]).settings.weights

    assert (weights.asking, weights.selling) == (1.0, 0.0)


def test_a_refused_setting_is_the_users_to_mend() -> None:
    assert issubclass(SettingInvalid, InvalidInput)


def test_settings_cannot_be_changed_once_resolved() -> None:
    settings = resolve([]).settings

    with pytest.raises(ValueError, match="frozen"):
        settings.min_keyword_hits = 5  # type: ignore[misc]
