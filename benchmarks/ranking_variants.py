"""Other ways to rank, each beside ours on labelled campaigns, and with its parameters chosen without the campaign.

    .venv/bin/python benchmarks/ranking_variants.py GOLDEN.json GOLDEN.json [GOLDEN.json …]

Reads GOLDEN.ndjson.zst beside each file. Needs no server: vectors are the local model's, and Typesense's text match is
replaced by the share of a keyword's words that occur in the text, which is what it comes to. No gates. "Left out"
means: of the listed parameters, those that do best on the other campaigns. Takes some minutes, mostly to embed.
"""

import itertools
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.cues import asking_cue, selling_cue
from lead_assets.domain.document_text import document_text
from lead_assets.domain.evaluation import Golden, Metrics, measure
from lead_assets.domain.keywords import searches_of
from lead_assets.domain.keywords.visible_text import fold
from lead_assets.domain.score_components import INTENT_RANGE, Weights
from lead_assets.domain.scoring import (
    TEXT_MATCH_TOKEN,
    asking_phrases,
    centroid,
    contributions,
    cosine,
    lexical,
    telling_phrases,
)
from lead_assets.models.local_embedder import LocalEmbedder
from lead_assets.sources.archive import ArchiveSource

Vector = NDArray[np.float32]
Scores = NDArray[np.float64]
PASSAGE_WORDS = 120
MOST_PASSAGES = 6
FEEDBACK = 10


@dataclass(frozen=True)
class Corpus:
    """A golden campaign with everything that a variant may look at; rows are documents."""

    golden: Golden
    ids: list[str]
    frame: pd.DataFrame
    vectors: Vector
    titles: Vector
    passages: list[Vector]
    keywords: Vector

    def measured(self, scores: Scores) -> Metrics:
        """The metrics of the documents ordered by ``scores``."""
        return measure(self.golden.labels, [self.ids[row] for row in np.argsort(-scores, kind="stable")])


Variant = Callable[[Corpus, Any], Scores]


def load(path: Path, embedder: LocalEmbedder) -> Corpus:
    """Read, match and embed a golden campaign."""
    golden = Golden.model_validate(json.loads(path.read_text(encoding="utf-8")))
    campaign = Campaign(id="benchmark", name="benchmark", product=golden.product, keywords=golden.keywords)
    wanted = set(golden.crawl)
    archive = ArchiveSource(path.with_name(f"{path.stem}.ndjson.zst"))
    found = [doc for batch in archive.search(campaign) for doc in batch.documents if doc.reddit_id in wanted]
    documents = list({document.reddit_id: document for document in found}.values())
    plain = searches_of(golden.keywords)
    vectors = embedder.embed([document_text(document.title, document.body) for document in documents])
    keywords = embedder.embed(plain)
    asking = centroid(embedder.embed(asking_phrases(plain, golden.product)))
    telling = centroid(embedder.embed(telling_phrases(plain, golden.product)))
    matches = np.array([_word_match(fold(f"{d.title} {d.body}"), plain) for d in documents])
    frame = pd.DataFrame(
        {
            "cosine_similarity": cosine(vectors, centroid(keywords)),
            "product_similarity": cosine(vectors, embedder.embed([golden.product])[0]),
            "lexical": lexical(matches, [len(keyword.split()) for keyword in plain]),
            "intent_similarity": cosine(vectors, asking) - cosine(vectors, telling),
            "asking_cue": [asking_cue(document.title, document.body) for document in documents],
            "selling_cue": [selling_cue(document.title, document.body) for document in documents],
        }
    )
    cut = [_passages(document.body) for document in documents]
    flat = embedder.embed([passage for passages in cut for passage in passages])
    ends = np.cumsum([len(passages) for passages in cut])
    return Corpus(
        golden,
        [document.reddit_id for document in documents],
        frame,
        vectors,
        embedder.embed([document.title for document in documents]),
        np.split(flat, ends[:-1]),
        keywords,
    )


def _word_match(text: str, keywords: Sequence[str]) -> list[float]:
    words = set(re.findall(r"\w+", text))
    return [TEXT_MATCH_TOKEN * sum(word in words for word in fold(keyword).split()) for keyword in keywords]


def _passages(body: str) -> list[str]:
    words = body.split()
    starts = range(0, len(words), PASSAGE_WORDS)
    return [" ".join(words[start : start + PASSAGE_WORDS]) for start in starts][:MOST_PASSAGES]


def fused(corpus: Corpus, weights: Weights, similarity: Scores | None = None) -> Scores:
    """Our score before clipping, with another similarity in the place of the cosine where one is given."""
    frame = corpus.frame if similarity is None else corpus.frame.assign(cosine_similarity=similarity)
    return contributions(frame, weights).sum(axis=1).to_numpy()


def ours(corpus: Corpus, weights: Weights) -> Scores:
    """Our score under other weights."""
    return fused(corpus, weights)


def passages(corpus: Corpus, share: float) -> Scores:
    """The cosine of the whole mixed with the highest one of title and passages."""
    center = centroid(corpus.keywords)
    best = cosine(corpus.titles, center)
    for row, vectors in enumerate(corpus.passages):
        if len(vectors):
            best[row] = max(best[row], cosine(vectors, center).max())
    return fused(corpus, Weights(), (1 - share) * corpus.frame["cosine_similarity"].to_numpy() + share * best)


def titles(corpus: Corpus, share: float) -> Scores:
    """The cosine of the whole mixed with that of the title."""
    title = cosine(corpus.titles, centroid(corpus.keywords))
    return fused(corpus, Weights(), (1 - share) * corpus.frame["cosine_similarity"].to_numpy() + share * title)


def product(corpus: Corpus, share: float) -> Scores:
    """Another share of the product in the two similarities, which weigh 0.8 together."""
    return fused(corpus, Weights(cosine=round(0.8 - share, 2), product=share))


def nearest_keyword(corpus: Corpus, share: float) -> Scores:
    """The cosine to the centroid mixed with that to the nearest keyword."""
    nearest = (corpus.vectors.astype(np.float64) @ corpus.keywords.T.astype(np.float64)).max(axis=1)
    return fused(corpus, Weights(), (1 - share) * corpus.frame["cosine_similarity"].to_numpy() + share * nearest)


def calibrated(corpus: Corpus, share: float) -> Scores:
    """Cosine and intent mixed with their ranks within the campaign, which do not depend on the topic."""
    ranked = corpus.frame.rank(pct=True)
    mixed = corpus.frame.assign(
        cosine_similarity=(1 - share) * corpus.frame["cosine_similarity"] + share * 0.6 * ranked["cosine_similarity"],
        intent_similarity=(1 - share) * corpus.frame["intent_similarity"]
        + share * INTENT_RANGE * (2 * ranked["intent_similarity"] - 1),
    )
    return contributions(mixed, Weights()).sum(axis=1).to_numpy()


def feedback(corpus: Corpus, share: float) -> Scores:
    """Pseudo-relevance feedback: added similarity to the mean of the ten best documents, themselves left out."""
    first = fused(corpus, Weights())
    best = np.argsort(-first, kind="stable")[:FEEDBACK]
    total = corpus.vectors[best].astype(np.float64).sum(axis=0)
    alike = corpus.vectors.astype(np.float64) @ (total / np.linalg.norm(total))
    for row in best:
        others = total - corpus.vectors[row]
        alike[row] = corpus.vectors[row].astype(np.float64) @ (others / np.linalg.norm(others))
    return first + share * alike


NAMES = ["cosine_similarity", "product_similarity", "lexical", "intent_similarity", "asking_cue", "selling_cue"]


def logistic(train: Sequence[Corpus], test: Corpus, penalty: float) -> Scores:
    """A logistic model on our components, fitted on the labelled leads of other campaigns (Newton's method)."""
    labelled = [corpus.frame[NAMES].assign(lead=_labels(corpus)).dropna() for corpus in train]
    rows = pd.concat(labelled)
    center, scale = rows[NAMES].mean(), rows[NAMES].std()
    inputs = np.column_stack([np.ones(len(rows)), (rows[NAMES] - center) / scale])
    target = (rows["lead"] == 2).to_numpy(dtype=float)
    weights, ridge = np.zeros(inputs.shape[1]), penalty * np.eye(inputs.shape[1])
    ridge[0, 0] = 0
    for _ in range(30):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (target - chance) - ridge @ weights
        bend = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + ridge
        weights += np.linalg.solve(bend, slope)
    return np.column_stack([np.ones(len(test.frame)), (test.frame[NAMES] - center) / scale]) @ weights


def _labels(corpus: Corpus) -> list[float]:
    return [corpus.golden.labels.get(reddit_id, np.nan) for reddit_id in corpus.ids]


def weight_grid() -> list[Weights]:
    """Weights around ours."""
    shares, steps = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3), (0.1, 0.15, 0.2)
    parts = itertools.product(shares, (0.0, 0.05, 0.1), (0.05, 0.1, 0.15, 0.2, 0.3), steps, steps)
    return [
        Weights(
            cosine=round(1 - share - words - intent, 2),
            product=share,
            lexical=words,
            intent=intent,
            asking=asking,
            selling=selling,
        )
        for share, words, intent, asking, selling in parts
    ]


VARIANTS: Mapping[str, tuple[Variant, Sequence[Any]]] = {
    "our weights": (ours, [Weights()]),
    "weights of a grid": (ours, weight_grid()),
    "best of title and passages": (passages, [0.25, 0.5, 0.75, 1.0]),
    "title beside the whole": (titles, [0.25, 0.5, 0.75]),
    "weight of the product": (product, [0.0, 0.1, 0.2, 0.3, 0.4]),
    "nearest keyword": (nearest_keyword, [0.25, 0.5, 1.0]),
    "calibrated per campaign": (calibrated, [0.25, 0.5, 1.0]),
    "pseudo-relevance feedback": (feedback, [0.05, 0.1, 0.2, 0.4]),
}


def worth(found: Metrics) -> float:
    """What parameters are chosen by."""
    return found["ndcg@10"] + found["average_precision"]


def main() -> None:
    """Measure every variant and print a table of each campaign and the mean."""
    if len(sys.argv) < 3:
        sys.exit("Give at least two golden files: one is left out while the others choose.")
    embedder = LocalEmbedder()
    corpora = [load(Path(name), embedder) for name in sys.argv[1:]]
    table = Table("variant", *(f"{corpus.golden.campaign} nDCG@10 / AP" for corpus in corpora), "mean")

    def add(name: str, rows: Sequence[Metrics]) -> None:
        cells = [(row["ndcg@10"], row["average_precision"]) for row in rows]
        cells.append((float(np.mean([cell[0] for cell in cells])), float(np.mean([cell[1] for cell in cells]))))
        table.add_row(name, *(f"{ndcg:.2f} / {average:.2f}" for ndcg, average in cells))

    for name, (variant, parameters) in VARIANTS.items():
        found = [[corpus.measured(variant(corpus, parameter)) for corpus in corpora] for parameter in parameters]
        for parameter, rows in zip(parameters, found, strict=True):
            if len(parameters) <= 5:
                add(name if len(parameters) == 1 else f"{name}, {parameter}", rows)
        if len(parameters) > 1:
            add(f"{name}, left out", [_left_out(found, place) for place in range(len(corpora))])
    for penalty in (1.0, 10.0):
        others = [[other for other in corpora if other is not corpus] for corpus in corpora]
        rows = [c.measured(logistic(train, c, penalty)) for c, train in zip(corpora, others, strict=True)]
        add(f"logistic model, penalty {penalty:g}, left out", rows)
    Console(width=140).print(table)


def _left_out(found: Sequence[Sequence[Metrics]], place: int) -> Metrics:
    """The metrics of one campaign under the parameters that do best on the others."""
    others = [sum(worth(row) for at, row in enumerate(rows) if at != place) for rows in found]
    return found[int(np.argmax(others))][place]


if __name__ == "__main__":
    main()
