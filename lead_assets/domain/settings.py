"""Every setting: its name, default, bounds and meaning, and how layers of settings are laid over each other.

A setting has one name everywhere (environment, campaign file, run config): the field's name in capitals. Layers come
weakest first: defaults, environment, campaign file, run config. Values are checked here and nowhere else.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lead_assets.domain.errors import SettingInvalid
from lead_assets.domain.prices import Price, parse_prices
from lead_assets.domain.score_components import Weights

DEFAULT = "default"
OWN_FILE = "archive"
"""The source that is a file of the user's own."""
UNSET_MEANS = {"COSINE_THRESHOLD": "the model's own", "STORE_CONTACTS": "archive files only"}
"""What counts where a setting that has no default of its own is not set."""


class Settings(BaseModel):
    """Limits of the gates and weights of the ranking."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=str.upper, allow_inf_nan=False)

    reddit_dedup_ttl_seconds: int = Field(
        default=604_800,
        ge=0,
        description="Seconds for which a judged document is not judged again; 0 turns the gate off.",
    )
    reddit_max_post_age_months: float = Field(
        default=18.0, gt=0, description="Oldest document kept, in months of 30.4 days."
    )
    reddit_min_upvote_ratio: float = Field(
        default=0.40, ge=0, le=1, description="Lowest share of upvotes a post is kept with; 0 turns the gate off."
    )
    reddit_skip_nsfw: bool = Field(default=True, description="Reject documents marked over 18.")
    reddit_min_sub_subscribers: int = Field(
        default=1000, ge=0, description="Fewest subscribers of the subreddit; 0 turns the gate off."
    )
    reddit_min_sub_ratio: float = Field(
        default=0.0, ge=0, description="Fewest subscribers per hot post of the subreddit; 0 turns the gate off."
    )
    reddit_min_author_karma: int = Field(
        default=15, description="Lowest link plus comment karma of the author; karma may be negative."
    )
    cosine_threshold: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="Lowest cosine to the keywords' centroid; unset means the embedding model's own.",
    )
    relevance: Literal["probability", "fused"] = Field(
        default="probability",
        description="What a lead's relevance_score is, and what decides: the lead model's probability, or the fused "
        "score with the reader's own decision.",
    )
    min_lead_probability: float = Field(
        default=0.18, ge=0, le=1, description="Lowest probability of a lead, where RELEVANCE is probability."
    )
    lead_model: str = Field(
        default="", description="File of a lead model made by `lead-assets train`; unset means the one that ships."
    )
    min_engagement_score: int = Field(default=1, description="Lowest score (upvotes less downvotes) of a document.")
    min_keyword_hits: int = Field(
        default=1,
        ge=0,
        description="Fewest different keywords in the text, unless the cosine reaches KEYWORD_HITS_COSINE.",
    )
    keyword_hits_cosine: float = Field(
        default=0.30, ge=-1, le=1, description="Cosine from which a document needs no keyword hits."
    )
    min_fused_score_threshold: float = Field(
        default=0.10, ge=0, le=1, description="Lowest fused score of a candidate; 0 turns the gate off."
    )
    weight_cosine: float = Field(
        default=Weights().cosine,
        ge=0,
        le=1,
        description="Weight of the cosine to the keywords' centroid in the fused score.",
    )
    weight_product: float = Field(
        default=Weights().product, ge=0, le=1, description="Weight of the cosine to the campaign's product."
    )
    weight_lexical: float = Field(
        default=Weights().lexical, ge=0, le=1, description="Weight of the lexical match in the fused score."
    )
    weight_intent: float = Field(
        default=Weights().intent, ge=0, le=1, description="Weight of asking-phrased over telling-phrased similarity."
    )
    cue_asking: float = Field(
        default=Weights().asking, ge=0, le=1, description="What words of asking add to the fused score, at most."
    )
    cue_selling: float = Field(
        default=Weights().selling, ge=0, le=1, description="What words of selling take off the fused score, at most."
    )
    reddit_requests_per_minute: float = Field(
        default=100.0,
        gt=0,
        description="Requests a minute that all runs of one Reddit client make together, averaged over ten minutes.",
    )
    reddit_max_requests_per_run: int = Field(
        default=300,
        ge=5,
        description="Requests that one crawl of a live source may make. The next continues from there.",
    )
    reddit_max_comment_requests_per_run: int = Field(
        default=10, ge=0, description="Requests of these that may go into comment trees of matched posts; 0 is none."
    )
    reddit_retry_seconds: float = Field(
        default=120.0, ge=0, description="Seconds for which a request that fails is tried again; 0 is not at all."
    )
    gate_warn_rejection_rate: float = Field(
        default=0.98,
        ge=0,
        le=1,
        description="Share of rejected rows (of at least 50) above which a gate's check warns.",
    )
    embedder: Literal["auto", "openai", "local"] = Field(
        default="auto", description="What embeds texts: openai, local, or auto: openai where a key or base URL is set."
    )
    embedding_model: str = Field(
        default="text-embedding-3-small", min_length=1, description="Model that embeds texts, unless they are local."
    )
    embedding_concurrency: int = Field(default=4, ge=1, le=64, description="Embedding requests at one moment.")
    embedding_max_input_tokens: int = Field(
        default=8192, ge=1, le=50_000, description="Most tokens of a text that is embedded; the rest is cut off."
    )
    embedding_max_request_tokens: int = Field(
        default=300_000, ge=1, description="Most tokens of all texts in one embedding request."
    )
    extractor: Literal["auto", "openai", "rules"] = Field(
        default="auto", description="What reads candidates: openai, rules, or auto: openai where a key or URL is set."
    )
    llm_model: str = Field(default="gpt-4o-mini", min_length=1, description="Model that reads candidates.")
    llm_concurrency: int = Field(default=8, ge=1, le=256, description="Requests to that model at one moment.")
    llm_max_calls_per_run: int = Field(
        default=1000, ge=0, description="Most requests to that model in one run, best candidates first; 0 is no cap."
    )
    llm_max_cost_per_run: float = Field(
        default=0.0, ge=0, description="Most US dollars for that model in one run; 0 is no cap."
    )
    llm_max_document_tokens: int = Field(
        default=8000, ge=4, le=50_000, description="Most tokens of a document that is read; its middle is left out."
    )
    llm_max_output_tokens: int = Field(default=1500, ge=1, description="Most tokens of an answer.")
    model_prices: str = Field(
        default="", description='JSON of dollars per million tokens in and out: {"my-model": [0.15, 0.60]}.'
    )
    openai_timeout_seconds: float = Field(default=60.0, gt=0, description="Longest wait for one answer of a model.")
    openai_retry_seconds: float = Field(
        default=120.0, ge=0, description="For how long one request to a model is tried again."
    )

    store_contacts: bool | None = Field(
        default=None,
        description="Keep the contacts that are found in texts; unset means only those in an archive file of your own.",
    )

    retention_days: float = Field(
        default=0.0,
        ge=0,
        le=36_500,
        description="Days after which a document, counted from its posting, is removed from every store; 0 is never.",
    )

    @field_validator("model_prices")
    @classmethod
    def _prices_can_be_read(cls, text: str) -> str:
        parse_prices(text)
        return text

    @model_validator(mode="after")
    def _positive_weights_sum_to_one(self) -> "Settings":
        total = self.weight_cosine + self.weight_product + self.weight_lexical + self.weight_intent
        if abs(total - 1) > 1e-6:
            raise ValueError(
                f"WEIGHT_COSINE, WEIGHT_PRODUCT, WEIGHT_LEXICAL and WEIGHT_INTENT must sum to 1, not {total:g}"
            )
        return self

    def with_cosine_threshold(self, own: float) -> "Settings":
        """These settings, with the embedding model's ``own`` cosine threshold where COSINE_THRESHOLD is unset."""
        return self if self.cosine_threshold is not None else self.model_copy(update={"cosine_threshold": own})

    def keeps_contacts_of(self, source: str) -> bool:
        """Whether contacts found in documents of ``source`` are stored."""
        return source == OWN_FILE if self.store_contacts is None else self.store_contacts

    def retained_since(self, now: datetime) -> datetime | None:
        """What was posted before this moment is not stored any more; None where everything is."""
        return now - timedelta(days=self.retention_days) if self.retention_days else None

    @property
    def prices(self) -> dict[str, Price]:
        """The prices that are given beside the table's."""
        return parse_prices(self.model_prices)

    @property
    def weights(self) -> Weights:
        """The ranking's weights, as the fusion takes them."""
        return Weights(
            cosine=self.weight_cosine,
            product=self.weight_product,
            lexical=self.weight_lexical,
            intent=self.weight_intent,
            asking=self.cue_asking,
            selling=self.cue_selling,
        )


WEIGHTS = ("WEIGHT_COSINE", "WEIGHT_PRODUCT", "WEIGHT_LEXICAL", "WEIGHT_INTENT")
NAMES: tuple[str, ...] = tuple(name.upper() for name in Settings.model_fields)


@dataclass(frozen=True)
class Layer:
    """Settings of one origin. ``None`` and empty text mean not set."""

    origin: str
    values: Mapping[str, object]

    def given(self) -> dict[str, object]:
        """The values that are set."""
        return {name: value for name, value in self.values.items() if value is not None and value != ""}


@dataclass(frozen=True)
class Resolved:
    """Settings in force, and for each name the origin of its value."""

    settings: Settings
    origins: Mapping[str, str]


def resolve(layers: Sequence[Layer]) -> Resolved:
    """Lay ``layers``, weakest first, over the defaults.

    Raises:
        SettingInvalid: an unknown name or a bad value, with its origin.
    """
    values: dict[str, object] = {}
    origins = dict.fromkeys(NAMES, DEFAULT)
    for layer in layers:
        for name, value in layer.given().items():
            if name not in origins:
                raise SettingInvalid(f"{layer.origin}: there is no setting {name!r}{meant(name)}")
            values[name] = value
            origins[name] = layer.origin
    try:
        return Resolved(Settings.model_validate(values), origins)
    except ValidationError as error:
        raise SettingInvalid(_sentence(error, origins)) from error


def meant(name: str) -> str:
    """The end of a sentence about a setting that does not exist: which was meant, or where the names are."""
    close = difflib.get_close_matches(name.upper(), NAMES, n=1)
    return f"; did you mean {close[0]}?" if close else "; the names are in docs/settings.md."


def _sentence(error: ValidationError, origins: Mapping[str, str]) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        set_by = {origins[name] for name in WEIGHTS} - {DEFAULT}
        where = ", ".join(sorted(set_by))
        return f"{where}: {first['msg'].removeprefix('Value error, ')}."
    name = str(first["loc"][0])
    return f"{origins[name]}: {name} is {first['input']!r}, but {first['msg'].lower()}."
