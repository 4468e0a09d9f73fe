"""How fast the lead model scores made-up documents whose features and vectors are in memory, and learns from marks.

.venv/bin/python benchmarks/lead_model.py
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from rich.console import Console

from lead_assets.config.lead_models import lead_model_for
from lead_assets.domain.lead_marks import fit_posterior
from lead_assets.domain.settings import Settings
from lead_assets.domain.wording import WORDING
from lead_assets.models.local_embedder import LocalEmbedder

DOCUMENTS = 50_000
NUMBERS = (
    *("cosine_similarity", "product_similarity", "intent_similarity", "keyword_coherence", "keyword_words"),
    *("keyword_in_title", "keyword_place", "asking_cue", "selling_cue", "body_characters"),
)


def fastest(run: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest of some runs."""
    seconds: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    """Measure and print."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame({name: random.random(DOCUMENTS) for name in NUMBERS})
    frame["wording"] = random.random((DOCUMENTS, len(WORDING))).tolist()
    frame["is_foreign"] = False
    matrix = random.standard_normal((DOCUMENTS, LocalEmbedder.dimension)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    model = lead_model_for(Settings(), LocalEmbedder.model)
    scoring = fastest(lambda: model.judge(frame, matrix).log_odds)
    console = Console()
    console.print(f"scored {DOCUMENTS / scoring:,.0f} documents a second")
    log_odds, few = model.judge(frame, matrix).log_odds[:10_000], matrix[:10_000]
    for count in (20, 100, 150):
        places, is_lead = np.arange(count), (random.random(count) < 0.3).astype(float)
        fitting = fastest(lambda p=places, y=is_lead: fit_posterior(log_odds, few, p, y))
        console.print(f"{count} marks, 10,000 documents: {fitting * 1000:.1f} ms")


if __name__ == "__main__":
    main()
