"""What the stand-in answers: unit vectors of hashed words, and a sensible extraction of the document it was shown."""

import base64
import functools
import json
import re
import zlib
from typing import Any

import numpy as np

_WORD = re.compile(r"\w+")
_DOCUMENT = re.compile(r"<document-([0-9a-f]+)>\n(.*)\n</document-\1>", re.DOTALL)
_ASKING = re.compile(r"\?|recommend|looking for|need ", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?\n]{6,200}[.!?]?")


def vector(text: str, dimension: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """A unit vector (dimension,): texts that share words are close. The same text has the same vector."""
    hashes = np.array([zlib.crc32(word.encode()) for word in _WORD.findall(text.lower())] or [1], dtype=np.uint32)
    signs = np.where(hashes & 1, 1.0, -1.0)
    # A part that all texts share: cosines of a real model are hardly ever negative either.
    summed = np.bincount((hashes >> 1) % dimension, weights=signs, minlength=dimension)
    summed[0] += 0.5 * np.sqrt(len(hashes))
    length = float(np.linalg.norm(summed))
    return (summed / length).astype(np.float32) if length else np.eye(1, dimension, dtype=np.float32)[0]


@functools.lru_cache(maxsize=20_000)
def embedding(text: str, dimension: int, encoding: str | None) -> str | list[float]:
    """The vector as the client asked for it: base64 of little-endian float32, or numbers."""
    row = vector(text, dimension)
    return base64.b64encode(row.astype("<f4").tobytes()).decode() if encoding == "base64" else row.tolist()


@functools.lru_cache(maxsize=100)
def embeddings(model: str, texts: tuple[str, ...], dimension: int, encoding: str | None) -> bytes:
    """The answer with a vector for each text, as JSON; written once, so that a server asked again only waits."""
    rows = [
        {"object": "embedding", "index": place, "embedding": embedding(text, dimension, encoding)}
        for place, text in enumerate(texts)
    ]
    tokens = sum(len(text) // 4 + 1 for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json.dumps({"object": "list", "model": model, "data": rows, "usage": usage}).encode()


def shown_document(messages: list[dict[str, Any]]) -> str:
    """The document in a request for an extraction; empty where there is none."""
    for message in messages:
        if message["role"] == "user" and (found := _DOCUMENT.search(message["content"])):
            return found.group(2)
    return ""


def extraction(messages: list[dict[str, Any]]) -> str:
    """What an honest and simple model would say of the document: JSON."""
    document = shown_document(messages)
    sentences = [match.group().strip() for match in _SENTENCE.finditer(document)]
    asking = [sentence for sentence in sentences if _ASKING.search(sentence)]
    quotes = (asking or sentences)[:1]
    answer = {
        "is_lead": bool(asking),
        "pain_point": quotes[0] if asking else None,
        "intent": "recommendation" if asking else "other",
        "urgency": "none",
        "budget": None,
        "contact": [],
        "evidence": quotes,
        "confidence": 0.8 if asking else 0.1,
        "summary": quotes[0] if quotes else "Nothing is said.",
    }
    return json.dumps(answer)
