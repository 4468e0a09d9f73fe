"""Whether what the API stands on can be used: short questions, asked at most every other second, whoever asks us."""

import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from lead_assets.api.models import Health, State
from lead_assets.config.environment import Environment
from lead_assets.domain.errors import LeadAssetsError, SchemaOutOfDate
from lead_assets.search.typesense import SearchIndex
from lead_assets.services.dagster_service import DagsterService
from lead_assets.storage.database import Database

FRESH_SECONDS = 2.0
TIMEOUT_SECONDS = 5.0
PATIENCE_SECONDS = 1.0
UNKNOWN = Health(status="unavailable", postgres="unavailable", typesense="unavailable", dagster="unavailable")
_DAEMON = '{ instance { daemonHealth { daemonStatus(daemonType: "QUEUED_RUN_COORDINATOR") { healthy } } } }'


class HealthChecks:
    """The states of the three servers. Anybody may ask, so that asking often must cost nothing."""

    def __init__(self, environment: Environment, database: Database) -> None:
        """Nothing is asked yet."""
        self._environment = environment
        self._database = database
        self._dagster = DagsterService(environment.dagster_url, timeout_seconds=TIMEOUT_SECONDS)
        self._lock = threading.Lock()
        self._known: tuple[float, Health] | None = None

    def read(self) -> Health:
        """The states now, or a moment ago; what was known last while somebody else's question takes long."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            # All requests share the threads that would wait here.
            return self._known[1] if self._known else UNKNOWN
        try:
            if self._known is None or time.monotonic() - self._known[0] > FRESH_SECONDS:
                health = self._ask()
                self._known = time.monotonic(), health
            return self._known[1]
        finally:
            self._lock.release()

    def _ask(self) -> Health:
        postgres, typesense, dagster = self._postgres(), self._typesense(), self._daemon()
        status = "ok" if {postgres, typesense, dagster} == {"ok"} else "unavailable"
        return Health(status=status, postgres=postgres, typesense=typesense, dagster=dagster)

    def _postgres(self) -> State:
        try:
            self._database.check()
        except SchemaOutOfDate:
            return "outdated"
        except (LeadAssetsError, SQLAlchemyError):
            return "unavailable"
        return "ok"

    def _typesense(self) -> State:
        try:
            index = SearchIndex(*self._environment.typesense, timeout_seconds=TIMEOUT_SECONDS)
            try:
                index.check()
            finally:
                index.close()
        except LeadAssetsError:
            return "unavailable"
        return "ok"

    def _daemon(self) -> State:
        try:
            answer = self._dagster.ask(_DAEMON)
        except LeadAssetsError:
            return "unavailable"
        return "ok" if answer["instance"]["daemonHealth"]["daemonStatus"]["healthy"] else "no daemon"

    def close(self) -> None:
        """Close idle connections."""
        self._dagster.close()
