"""How an endpoint takes texts to embed: found out by asking, and remembered while the process lives."""

import re
import threading

from lead_assets.models.openai.endpoint import InputRefused

ENCODINGS = ("base64", "float", "")
"""What ``encoding_format`` says, best first: base64 is a quarter of the bytes. Empty: it is left out."""
MOST_TEXTS, MOST_TOKENS = 128, 300_000
"""Of one request, where the endpoint does not want fewer."""
_ABOUT_ENCODING = re.compile(r"encoding_format|base64", re.I)


class EmbeddingLimits:
    """What one model of one endpoint takes; shared by threads."""

    def __init__(self) -> None:
        """Nothing is known: all is asked for in the best way."""
        self.encoding, self.most_texts, self.most_tokens = ENCODINGS[0], MOST_TEXTS, MOST_TOKENS
        self._works = self._tried_in_vain = False
        self._lock = threading.Lock()

    def after_refusal(self, encoding: str, refusal: InputRefused) -> str | None:
        """The encoding to try after ``encoding``; None where that is not to blame for the ``refusal``.

        An endpoint that does not say why it refuses is asked for numbers once, as long as it never gave base64.
        """
        at = ENCODINGS.index(encoding) + 1
        if refusal.too_long or refusal.by_filter or at == len(ENCODINGS):
            return None
        if _ABOUT_ENCODING.search(str(refusal)):
            return ENCODINGS[at]
        with self._lock:
            tries, self._tried_in_vain = not (self._works or self._tried_in_vain or at > 1), True
        return ENCODINGS[at] if tries else None

    def works(self, encoding: str) -> None:
        """Vectors came in ``encoding``."""
        with self._lock:
            self._works, self.encoding = True, encoding

    def lower(self, *, texts: int | None = None, tokens: int | None = None) -> None:
        """More texts or tokens were refused in one request, and the same were taken in requests of so many."""
        with self._lock:
            self.most_texts = min(self.most_texts, texts or MOST_TEXTS)
            self.most_tokens = min(self.most_tokens, tokens or MOST_TOKENS)


class KnownLimits:
    """The limits that were found out, by endpoint and model."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._limits: dict[tuple[str, str], EmbeddingLimits] = {}
        self._lock = threading.Lock()

    def of(self, url: str, model: str) -> EmbeddingLimits:
        """The limits of one model, which learn as it is used."""
        with self._lock:
            return self._limits.setdefault((url, model), EmbeddingLimits())

    def forget(self) -> None:
        """Know nothing."""
        with self._lock:
            self._limits.clear()


KNOWN_LIMITS = KnownLimits()
