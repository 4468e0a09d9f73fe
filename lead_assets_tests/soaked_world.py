"""What people write on a Reddit that is made up, day by day, and the figures of a soak."""

import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lead_assets_tests.conftest import post
from lead_assets_tests.stand_ins.reddit_server import Corpus

WINDOW = 6
"""Days whose records an archive of the day has: a campaign that could not run for some days misses nothing."""
POSTS_A_DAY, EDITS_A_DAY, DELETIONS_A_DAY = 16, 3, 2
WORDS = ("crm", "invoicing", "payroll", "scheduling", "inventory")


@dataclass
class Reddit:
    """What people write: every post in its newest state, what was deleted, and what changed on which day."""

    chance: random.Random
    posts: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    changes: list[list[dict[str, Any]]] = field(default_factory=list)

    def live_through(self, moment: datetime, corpus: Corpus) -> None:
        """A day: new posts, edits, deletions; of half of the deletions only Reddit itself knows."""
        changed: list[dict[str, Any]] = []
        now = int(moment.timestamp())
        for _ in range(POSTS_A_DAY):
            number = len(self.posts)
            name = f"2{number:05x}"
            thing = post(*self._text(number), id=name, name=f"t3_{name}", created_utc=now - 3_600 + number % 3_000)
            thing["author"] = f"author{number}"
            self.posts[thing["name"]] = thing
            corpus.add_post(thing)
            changed.append(thing)
        for name in self._some(EDITS_A_DAY):
            title, body = self._text(int(name[4:], 16))
            edited = {"title": title, "selftext": f"{body} Edited: {self.chance.random()}", "edited": now}
            self.posts[name] = self.posts[name] | edited | {"retrieved_on": now}
            corpus.add_post(self.posts[name])
            changed.append(self.posts[name])
        for number, name in enumerate(self._some(DELETIONS_A_DAY)):
            self.gone.add(name)
            corpus.delete(name)
            if number % 2:
                changed.append({**self.posts[name], "selftext": "[removed]", "retrieved_on": now + 60})
        self.changes.append(changed)

    def archive(self) -> list[dict[str, Any]]:
        """The records of the last days, oldest first."""
        return [thing for day in self.changes[-WINDOW:] for thing in day]

    def _text(self, number: int) -> tuple[str, str]:
        word = WORDS[number % len(WORDS)]
        title = f"Which {word} tool would you recommend, number {number}?"
        return title, f"We are {number + 2} people and need {word} that works. Our street has the number {number}."

    def _some(self, count: int) -> list[str]:
        """Posts that are there, of the last days mostly."""
        there = [name for name in self.posts if name not in self.gone][-POSTS_A_DAY * WINDOW :]
        return self.chance.sample(there, min(count, len(there)))

    def wanted(self, word: str) -> dict[str, str]:
        """The posts that a campaign must have in the end, with their titles."""
        return {
            name: thing["title"]
            for name, thing in self.posts.items()
            if name not in self.gone and word in thing["title"].split()
        }


@dataclass
class Figures:
    """What a soak came to. Bytes are those of our tables and of this process, after each third."""

    days: int
    campaigns: int
    posts: int = 0
    documents: int = 0
    leads: int = 0
    runs: int = 0
    failed_runs: int = 0
    messages: int = 0
    seconds: float = 0.0
    stored: list[tuple[int, int]] = field(default_factory=list)
    memory: list[tuple[int, int]] = field(default_factory=list)

    def rows(self) -> dict[str, str]:
        """The figures as a table for people."""
        kilobytes = " → ".join(f"{size / 1024 / count:.1f}" for count, size in self.stored if count)
        megabytes = " → ".join(f"{size / 1e6:.0f}" for _, size in self.memory)
        return {
            "campaigns, days": f"{self.campaigns}, {self.days}",
            "runs, of them failed with a service": f"{self.runs}, {self.failed_runs}",
            "documents of all campaigns, leads": f"{self.documents:,}, {self.leads:,}",
            "messages sent": f"{self.messages:,}",
            "kB in PostgreSQL a document, after each third": kilobytes,
            "MB of the process, after each third": megabytes,
            "seconds": f"{self.seconds:.0f}",
        }
