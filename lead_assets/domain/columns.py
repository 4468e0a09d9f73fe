"""The columns of frames between steps, declared once: what each holds, in which unit, and what unknown means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "texts", "numbers", "integer", "number", "flag", "time", "mapping"]


@dataclass(frozen=True)
class Column:
    """One column: its kind, and what it holds."""

    kind: Kind
    about: str


DOCUMENT: Mapping[str, Column] = {
    "reddit_id": Column("text", "Reddit's fullname, t3_… for a post, t1_… for a comment"),
    "kind": Column("text", "post or comment"),
    "source": Column("text", "reddit, arctic_shift or archive"),
    "subreddit": Column("text", "name without r/"),
    "subreddit_id": Column("text", "fullname t5_…; None where unknown"),
    "author": Column("text", "name without u/; None where deleted or unknown"),
    "author_id": Column("text", "fullname t2_…; None where unknown"),
    "title": Column("text", "of a comment its post's title; empty where unknown"),
    "body": Column("text", "self-text or comment; empty where there is none"),
    "url": Column("text", "link to Reddit"),
    "post_id": Column("text", "fullname of the post; None where unknown"),
    "created_at": Column("time", "when it was posted, UTC; NaT where unknown"),
    "score": Column("integer", "upvotes less downvotes"),
    "upvote_ratio": Column("number", "share of upvotes, 0 to 1; posts only"),
    "over_18": Column("flag", "marked as not safe for work"),
    "num_comments": Column("integer", "comments of a post"),
    "subreddit_subscribers": Column("integer", "subscribers"),
    "subreddit_hot_posts": Column("integer", "posts in the subreddit's hot listing"),
    "author_karma": Column("integer", "link plus comment karma; may be negative"),
    "matched_keywords": Column("texts", "the campaign's keywords that occur in it"),
    "author_left": Column("flag", "its author's account is deleted, so that it is never a lead"),
    "state_at": Column("time", "since when it has been as it is here, at the earliest; NaT where unknown"),
    "text_hash": Column("text", "SHA-256 of the text that is indexed, embedded and read"),
}
"""A document as it is crawled and stored."""

JUDGED: Mapping[str, Column] = {
    "judged_as_of": Column("time", "the moment as of which its age is judged, UTC"),
    "sighting_age_seconds": Column("number", "seconds since the ledger saw it under the same gates; NaN where never"),
}
"""What the metadata gates look at beside the document."""

RANKED: Mapping[str, Column] = {
    "model": Column("text", "of its vector"),
    "keywords_digest": Column("text", "hash of the keywords that keyword_hits and ruled_out were found by"),
    "keyword_hits": Column("integer", "different keywords of the campaign in its text"),
    "ruled_out": Column("flag", "a negative keyword occurs in it"),
    "cosine_similarity": Column("number", "cosine with the keywords' centroid, -1 to 1"),
    "product_similarity": Column("number", "cosine with the product, -1 to 1"),
    "lexical": Column("number", "how much of the best keyword Typesense finds, 0 to 1"),
    "intent_similarity": Column("number", "cosine with asking less that with telling"),
    "asking_cue": Column("number", "words of asking, 0 to 1"),
    "selling_cue": Column("number", "words of selling, 0 to 1"),
    "keyword_in_title": Column("number", "1 where a keyword occurs in the title, else 0"),
    "keyword_words": Column("number", "keywords whose words all occur somewhere"),
    "keyword_place": Column("number", "where the first keyword stands, 0 to 1, which is 2,000 characters or nowhere"),
    "lead_probability": Column("number", "the lead model's probability that its author is a lead, 0 to 1"),
    "lead_model": Column("text", "digest of the lead model that computed it"),
    "fused_score": Column("number", "weighted sum of the components, 0 to 1"),
    "kept": Column("flag", "passed all gates"),
    "gate": Column("text", "the deciding gate, or `excluded`; None where kept"),
    "duplicate_of": Column("text", "fullname of the document that it reposts; None where it is the first"),
    "stored_outcome": Column("text", "digest of what is stored of its last ranking"),
    "stored_gate": Column("text", "gate of the rejection that is stored"),
    "stored_threshold": Column("number", "threshold of the rejection that is stored"),
}
"""A document as it is ranked."""

COLUMNS: Mapping[str, Column] = {**DOCUMENT, **JUDGED, **RANKED}
DOCUMENT_COLUMNS: tuple[str, ...] = tuple(DOCUMENT)


def of_kind(columns: Mapping[str, Column], *kinds: Kind) -> list[str]:
    """The names of the columns of these kinds."""
    return [name for name, column in columns.items() if column.kind in kinds]
