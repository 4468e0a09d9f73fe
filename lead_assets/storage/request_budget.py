"""One request budget for all runs of one API client, in PostgreSQL, so that processes share it.

Grants are counted by the second. A request goes out only while fewer than the limit were granted within the window
before it, and only while the server's own count, as it last told us, has one left.
"""

import hashlib
import math

import sqlalchemy as sa

from lead_assets.storage import locks
from lead_assets.storage.schema import request_budget, request_grants

REDDIT_WINDOW_SECONDS = 600
"""Reddit averages its limit over ten minutes.

Source: Reddit Data API wiki, "QPM limits will be an average over a time window (currently 10 minutes)".
"""
SAME_WINDOW_SECONDS = 5.0
"""Two reports whose ends differ by less speak of the same window of the server."""


class RequestBudget:
    """The budget of one client; safe with several processes."""

    def __init__(
        self, engine: sa.Engine, client: str, per_minute: float, window_seconds: int = REDDIT_WINDOW_SECONDS
    ) -> None:
        """Let ``client`` make ``per_minute`` requests a minute, averaged over ``window_seconds``."""
        self._engine = engine
        self._client = hashlib.sha256(client.encode()).hexdigest()[:16]
        self._limit = max(1, math.floor(per_minute * window_seconds / 60))
        self._window = window_seconds

    def acquire(self) -> float:
        """0 where a request was granted, else the seconds to wait before asking again."""
        with self._engine.begin() as connection:
            now = self._locked(connection)
            wait = max(self._told_to_wait(connection, now), self._window_full(connection, now))
            if not wait:
                self._grant(connection, now)
            return wait

    def report(self, remaining: float, reset_seconds: float) -> None:
        """Take in what the server says: so many requests are left for so many seconds."""
        with self._engine.begin() as connection:
            now = self._locked(connection)
            connection.execute(
                sa.text(
                    "INSERT INTO lead_assets.request_budget AS b (client, remaining, reset_at) "
                    "VALUES (:client, :remaining, to_timestamp(:reset_at)) "
                    "ON CONFLICT (client) DO UPDATE SET reset_at = EXCLUDED.reset_at, remaining = CASE "
                    # Answers overtake each other: within one window of the server's the lowest count is the newest.
                    "WHEN abs(extract(epoch FROM b.reset_at - EXCLUDED.reset_at)) < :same "
                    "THEN least(b.remaining, EXCLUDED.remaining) ELSE EXCLUDED.remaining END "
                    # An answer from the server's last window may come after the first one from the next.
                    "WHERE b.reset_at IS NULL OR b.reset_at <= to_timestamp(:now) "
                    "OR EXCLUDED.reset_at > b.reset_at - make_interval(secs => :same)"
                ),
                {
                    "client": self._client,
                    "remaining": remaining,
                    "reset_at": now + reset_seconds,
                    "same": SAME_WINDOW_SECONDS,
                    "now": now,
                },
            )

    def block(self, seconds: float) -> None:
        """Let nobody send anything for so many seconds, as a Retry-After asks."""
        with self._engine.begin() as connection:
            now = self._locked(connection)
            connection.execute(
                sa.text(
                    "INSERT INTO lead_assets.request_budget AS b (client, blocked_until) "
                    "VALUES (:client, to_timestamp(:until)) ON CONFLICT (client) DO UPDATE SET "
                    "blocked_until = greatest(b.blocked_until, EXCLUDED.blocked_until)"
                ),
                {"client": self._client, "until": now + seconds},
            )

    def _locked(self, connection: sa.Connection) -> float:
        """Wait until no other process looks at this client's budget; returns the server's clock, in seconds."""
        key = (sa.cast(locks.REQUEST_BUDGET, sa.Integer), sa.func.hashtext(self._client))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*key)))
        return float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")) or 0)

    def _told_to_wait(self, connection: sa.Connection, now: float) -> float:
        query = sa.select(
            sa.func.extract("epoch", request_budget.c.blocked_until),
            request_budget.c.remaining,
            sa.func.extract("epoch", request_budget.c.reset_at),
        ).where(request_budget.c.client == self._client)
        row = connection.execute(query).one_or_none()
        if row is None:
            return 0.0
        blocked_until, remaining, reset_at = row
        wait = max(0.0, float(blocked_until) - now) if blocked_until is not None else 0.0
        if remaining is not None and remaining < 1 and reset_at is not None:
            wait = max(wait, float(reset_at) - now)
        return wait

    def _window_full(self, connection: sa.Connection, now: float) -> float:
        """Seconds until a request of the window drops out of it; 0 where there is room."""
        of_client = request_grants.c.client == self._client
        connection.execute(
            sa.delete(request_grants).where(of_client, request_grants.c.second < int(now) - self._window)
        )
        query = sa.select(sa.func.sum(request_grants.c.requests), sa.func.min(request_grants.c.second)).where(of_client)
        granted, oldest = connection.execute(query).one()
        if granted is None or granted < self._limit:
            return 0.0
        return max(0.05, oldest + self._window + 1 - now)

    def _grant(self, connection: sa.Connection, now: float) -> None:
        connection.execute(
            sa.text(
                "INSERT INTO lead_assets.request_grants AS g (client, second, requests) VALUES (:client, :second, 1) "
                "ON CONFLICT (client, second) DO UPDATE SET requests = g.requests + 1"
            ),
            {"client": self._client, "second": int(now)},
        )
        connection.execute(
            sa.update(request_budget)
            .where(request_budget.c.client == self._client)
            .values(remaining=request_budget.c.remaining - 1)
        )
