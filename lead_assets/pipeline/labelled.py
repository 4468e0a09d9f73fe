"""Labelled campaigns with everything that a lead model reads of them, without a server.

Typesense's text match, which only the fused score needs, is replaced by the words of a keyword that occur.
"""

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.candidate import component_frame, meaning_of, text_frame
from lead_assets.domain.document import Document
from lead_assets.domain.document_text import document_text, text_hash
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.frames import to_frame
from lead_assets.domain.keywords import searches_of
from lead_assets.domain.lead_training import LabelledCampaign
from lead_assets.domain.scoring import TEXT_MATCH_TOKEN, asking_phrases, telling_phrases
from lead_assets.domain.settings import Settings
from lead_assets.files import PUBLIC, replacing
from lead_assets.models.protocols import Embedder
from lead_assets.pipeline.golden_files import GoldenFile

EMBEDDED_AT_ONCE = 64
_WORD = re.compile(r"\w+")


class CachedEmbedder:
    """Vectors of texts by one embedder, each made once, and kept in the file ``path`` where one is given (.npz)."""

    def __init__(self, embedder: Embedder, path: Path | None, on_progress: Callable[[str], object]) -> None:
        """Read what ``path`` holds of ``embedder``'s model.

        Raises:
            InvalidInput: ``path`` is not such a file.
        """
        self.model = embedder.model
        self._embedder, self._path, self._on_progress = embedder, path, on_progress
        self._known: dict[str, NDArray[np.float32]] = {}
        if path is not None and path.exists():
            self._known = self._read(path)

    def _read(self, path: Path) -> dict[str, NDArray[np.float32]]:
        try:
            with np.load(path, allow_pickle=False) as file:
                if str(file["model"]) != self.model:
                    raise InvalidInput(f"{path} holds vectors of {file['model']}, not of {self.model}.")
                return dict(zip(file["hashes"].tolist(), file["vectors"], strict=True))
        except (OSError, ValueError, KeyError) as error:
            raise InvalidInput(f"{path} does not hold vectors ({error}). Give another file.") from None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of shape (len(texts), dimension)."""
        hashes = [text_hash(text) for text in texts]
        new = {digest: text for digest, text in zip(hashes, texts, strict=True) if digest not in self._known}
        for start in range(0, len(new), EMBEDDED_AT_ONCE):
            part = dict(list(new.items())[start : start + EMBEDDED_AT_ONCE])
            self._known.update(zip(part, self._embedder.embed(list(part.values())), strict=True))
            self._on_progress(f"{start + len(part):,} of {len(new):,} texts embedded")
        if new and self._path is not None:
            self._write(self._path)
        return np.stack([self._known[digest] for digest in hashes])

    def _write(self, path: Path) -> None:
        content = io.BytesIO()
        hashes = sorted(self._known)
        vectors = np.stack([self._known[digest] for digest in hashes])
        np.savez(content, model=np.array(self.model), hashes=np.array(hashes), vectors=vectors)
        with replacing(path, mode=PUBLIC) as file:
            file.buffer.write(content.getvalue())


def labelled_campaign(file: GoldenFile, embedder: CachedEmbedder) -> LabelledCampaign:
    """The labelled documents of ``file`` in the order of its labels."""
    golden = file.golden
    by_id = {document.reddit_id: document for document in file.labelled}
    documents = [by_id[reddit_id] for reddit_id in golden.labels if reddit_id in by_id]
    campaign = Campaign(id="labelled", name=golden.campaign, product=golden.product, keywords=golden.keywords)
    searches = searches_of(golden.keywords)
    meaning = meaning_of(
        embedder.embed(searches),
        embedder.embed([golden.product]),
        embedder.embed(asking_phrases(searches, golden.product)),
        embedder.embed(telling_phrases(searches, golden.product)),
    )
    matrix = embedder.embed([document_text(document.title, document.body) for document in documents])
    frame = to_frame(documents)
    frame = frame.drop(columns="matched_keywords").join(text_frame(frame, campaign))
    matches = np.array([_word_match(document, searches) for document in documents])
    frame = component_frame(frame, matrix, matches, meaning, campaign, Settings().weights)
    labels = np.array([golden.labels[document.reddit_id] for document in documents])
    is_random = frame["reddit_id"].isin(set(golden.random_sample)).to_numpy()
    return LabelledCampaign(golden.campaign, frame, matrix, labels, is_random)


def _word_match(document: Document, searches: Sequence[str]) -> list[float]:
    words = set(_WORD.findall(document.own_text.lower()))
    return [TEXT_MATCH_TOKEN * sum(word in words for word in search.lower().split()) for search in searches]
