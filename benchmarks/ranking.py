"""How fast stored documents are ranked, Typesense's time apart.

    .venv/bin/python benchmarks/ranking.py [DOCUMENTS]

Needs the servers (``lead-assets up``). Stores made-up documents (default 20,000) with random vectors for a campaign of
its own, indexes them, and ranks them four times: the first run reads the texts and stores every candidate, the others
find all that is known of the texts and write what changed, which is nothing. Prints seconds and documents a second by
phase, and removes everything. The project's bound is 20,000 documents a second for ranking again, Typesense's own time
(``search``) apart.
"""

import random
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from lead_assets.cli.state import opened_database, opened_index
from lead_assets.config.environment import Environment
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.columns import DOCUMENT_COLUMNS
from lead_assets.domain.document import from_reddit
from lead_assets.domain.frames import to_frame, to_rows
from lead_assets.domain.settings import resolve
from lead_assets.models.local_embedder import LocalEmbedder
from lead_assets.pipeline.index import repair
from lead_assets.pipeline.ranking import rank, settings_for
from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.timing import Phases
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage import evaluations
from lead_assets.storage.bulk import upsert
from lead_assets.storage.candidates import write_ranked
from lead_assets.storage.database import CampaignSession, Database
from lead_assets.storage.schema import documents as documents_table
from lead_assets.storage.vectors import write_vectors

RUNS = 4
DIMENSION = 384
BATCH = 2_000
KEYWORDS = ["crm", "track clients", "contact management", "sales pipeline", "manage clients", "follow up", "leads"]
TITLES = ["Can anyone recommend a CRM?", "I built a tool to track clients", "How I manage clients", "My sales pipeline"]
SENTENCES = [
    "We are a small business and lose track of who we called.",
    "I tried a spreadsheet, but it gets out of hand.",
    "What do you guys use for this?",
    "The weather was fine and we went to the lake.",
    "It costs $40 a month, which is a lot for us.",
    "Check out my blog for the whole story.",
    "Contact management is a mess in every company that I have seen.",
]


def store(database: Database, context: RunContext, count: int) -> None:
    """Documents of about 1,000 characters with a random unit vector each."""
    chance, numbers = random.Random(0), np.random.default_rng(0)
    embedder = LocalEmbedder()
    for start in range(0, count, BATCH):
        made = [
            from_reddit(
                {
                    "name": f"t3_{1_000_000 + number}",
                    "title": f"{chance.choice(TITLES)} {number}",
                    "selftext": " ".join(chance.choices(SENTENCES, k=20)),
                    "author": f"author_{number % 5_000}",
                    "subreddit": "smallbusiness",
                    "score": 5,
                    "created_utc": 1_780_000_000 + number,
                },
                "archive",
            )
            for number in range(start, min(start + BATCH, count))
        ]
        frame = to_frame(made).assign(campaign_id=context.campaign.id, run_id="", judged_as_of=datetime.now(UTC))
        vectors = numbers.normal(size=(len(made), DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        with database.engine.begin() as connection:
            columns = ["campaign_id", *DOCUMENT_COLUMNS, "judged_as_of", "run_id"]
            upsert(connection, documents_table, to_rows(frame[columns]))
            write_vectors(connection, embedder.model, frame["text_hash"].tolist(), vectors, DIMENSION)


def measure(session: CampaignSession, context: RunContext, index: SearchIndex, number: int) -> dict[str, float]:
    """Seconds of each phase of one ranking."""
    phases, embedder = Phases(), LocalEmbedder()
    settings = settings_for(context, embedder)
    ranking = rank(session, context, settings, embedder, index, f"run {number}", phases)
    with phases.measured("store"), session.transaction() as connection:
        for changed, rejected in ranking.changes():
            write_ranked(connection, context.campaign.id, changed, rejected)
    return phases.seconds


def main() -> None:
    """Store, index, rank, print, remove."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    campaign = Campaign(id=evaluations.new_id(), name="benchmark", product="A simple CRM.", keywords=KEYWORDS)
    context = RunContext(campaign, resolve([]), "archive", Path(tempfile.gettempdir()), None, Environment.read())
    with opened_database() as database, opened_index() as index, evaluations.held(database, campaign.id):
        with database.engine.begin() as connection:
            evaluations.begin(connection, campaign.id, [])
        try:
            store(database, context, count)
            with database.engine.begin() as connection:
                repair(connection, index, index.ensure(), campaign.id, lambda _: None)
                connection.exec_driver_sql("ANALYZE lead_assets.documents, lead_assets.vectors")
            with database.campaign(campaign.id) as session:
                runs = [measure(session, context, index, number) for number in range(RUNS)]
        finally:
            index.delete_campaign(campaign.id)
            with database.engine.begin() as connection:
                evaluations.remove(connection, campaign.id)
                evaluations.end(connection, campaign.id)
    table = Table(f"{count:,} documents, {len(KEYWORDS)} keywords", "first run", "again", "documents a second")
    for phase in runs[0]:
        again = min(run[phase] for run in runs[1:])
        table.add_row(phase, f"{runs[0][phase]:.2f} s", f"{again:.2f} s", f"{count / again:,.0f}")
    own = [sum(seconds for phase, seconds in run.items() if phase != "search") for run in runs]
    table.add_row("all but search", f"{own[0]:.2f} s", f"{min(own[1:]):.2f} s", f"{count / min(own[1:]):,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
