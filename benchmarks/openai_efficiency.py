"""How much of the time that OpenAI's answers take is spent on waiting for them, against the stand-in.

    .venv/bin/python benchmarks/openai_efficiency.py

The stand-in runs in a process of its own. Prints, for extraction, the wall time beside the least that is possible
(documents x seconds per answer / concurrency; the project's bound: at most 1.25 of it) and, for embedding, the share of
the wall time in which the server was waited for (bound: at least 0.70). That is the server's own count, from a
request's last byte to its answer's first: reading and decoding the answers, a megabyte each, is our work, not in it.
"""

import statistics
import time

import httpx
from rich.console import Console
from rich.table import Table
from stand_in import stand_in

from lead_assets.config.addresses import Address
from lead_assets.domain.extraction import ExtractionRequest
from lead_assets.models.openai.embedder import OpenAIEmbedder
from lead_assets.models.openai.endpoint import Endpoint
from lead_assets.models.openai.extractor import OpenAIExtractor
from lead_assets.models.openai.formats import Known
from lead_assets.models.openai.usage import Usage

DOCUMENTS, ANSWER_SECONDS, READING_CONCURRENCY = 1_000, 0.15, 16
TEXTS, REQUEST_SECONDS, EMBEDDING_CONCURRENCY, BATCH, ROUNDS = 5_000, 0.03, 4, 128, 7
BODY = "We are a small shop and keep track of our clients on paper. It gets lost all the time. " * 8


def endpoint(url: str, model: str) -> Endpoint:
    """A fresh client of it."""
    return Endpoint(Address(url), model, "MODEL", Usage(None))


def read_all() -> float:
    """Seconds for the documents, from the first request to the last outcome."""
    requests = [
        ExtractionRequest("A CRM.", f"Can anyone recommend a CRM for shop {number}?", BODY)
        for number in range(DOCUMENTS)
    ]
    with stand_in(ANSWER_SECONDS) as url:
        extractor = OpenAIExtractor(endpoint(url, "gpt-4o-mini"), concurrency=READING_CONCURRENCY, known=Known())
        began = time.perf_counter()
        done = sum(outcome.failure is None for ready in extractor.extract_all(requests) for _, outcome in ready)
        seconds = time.perf_counter() - began
        extractor.close()
    assert done == DOCUMENTS
    return seconds


def embed_all() -> list[tuple[float, float, int]]:
    """Seconds for the texts, seconds that the server took, and requests, of each round."""
    texts = [f"Can anyone recommend a CRM for shop {number}? {BODY[:400]}" for number in range(TEXTS)]
    with stand_in(REQUEST_SECONDS) as url:
        batches = [texts[start : start + BATCH] for start in range(0, TEXTS, BATCH)]
        # Once for the stand-in, which remembers its vectors: making them takes it longer than the delay it plays.
        list(OpenAIEmbedder(endpoint(url, "text-embedding-3-small")).embed_batches(batches))
        return [embed_once(url, batches) for _ in range(ROUNDS)]


def embed_once(url: str, batches: list[list[str]]) -> tuple[float, float, int]:
    """Seconds for the batches, seconds that the server took over them, and requests."""
    asked = endpoint(url, "text-embedding-3-small")
    embedder = OpenAIEmbedder(asked, concurrency=EMBEDDING_CONCURRENCY)
    before, began = busy_seconds(url), time.perf_counter()
    done = sum(len(embedded.kept) for _, embedded in embedder.embed_batches(batches))
    seconds = time.perf_counter() - began
    embedder.close()
    assert done == TEXTS
    return seconds, busy_seconds(url) - before, asked.usage.requests


def busy_seconds(url: str) -> float:
    """What the stand-in says of itself."""
    return httpx.get(url.removesuffix("/v1") + "/record").json()["busy_seconds"]


def main() -> None:
    """Measure both and print."""
    least = DOCUMENTS * ANSWER_SECONDS / READING_CONCURRENCY
    reading = read_all()
    rounds = embed_all()
    wall, busy, requests = statistics.median_low(rounds)
    waited = busy / EMBEDDING_CONCURRENCY
    table = Table("", "seconds", "ratio", "bound")
    table.add_row(f"{DOCUMENTS:,} documents at {READING_CONCURRENCY} at once, at least", f"{least:.2f}", "", "")
    table.add_row("read", f"{reading:.2f}", f"{reading / least:.2f}", "at most 1.25")
    table.add_row(f"{TEXTS:,} texts, {requests} requests at {EMBEDDING_CONCURRENCY} at once", f"{wall:.2f}", "", "")
    table.add_row("of it the server's time", f"{waited:.2f}", f"{waited / wall:.2f}", "at least 0.70")
    delay = requests * REQUEST_SECONDS / EMBEDDING_CONCURRENCY
    table.add_row("of it the delay that the server plays", f"{delay:.2f}", f"{delay / wall:.2f}", "")
    Console().print(table)
    shares = ", ".join(f"{busy / EMBEDDING_CONCURRENCY / wall:.2f}" for wall, busy, _ in rounds)
    print(f"The server's share in each of {ROUNDS} rounds: {shares}; the table has the round of median time.")


if __name__ == "__main__":
    main()
