"""The application: routes, guards in front of them, and what closes with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from lead_assets.api import errors
from lead_assets.api.access import Guard
from lead_assets.api.health import HealthChecks
from lead_assets.api.limits import BodyLimit
from lead_assets.api.routes import Services, open_router, router
from lead_assets.api.runs import RunStarter
from lead_assets.config.environment import Environment
from lead_assets.dagster_client.service import DagsterService
from lead_assets.defs.partitions import job_name
from lead_assets.storage.database import Database

DESCRIPTION = """Leads on Reddit by campaign. Every answer that is no success says why: `{"error": "one sentence"}`."""


def build_app(environment: Environment, *, beyond_loopback: bool = False) -> FastAPI:
    """The API on what ``environment`` names. ``beyond_loopback``: whether other machines reach it.

    Nothing is connected yet, and everything is closed when the application shuts down.

    Raises:
        DatabaseUnavailable: no database is known.
    """
    database = Database(environment.database_url)
    dagster = DagsterService(environment.dagster_url)
    health = HealthChecks(environment, database)
    services = Services(
        environment, database, dagster, RunStarter(dagster, database, job_name(environment.executor)), health
    )

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        health.close()
        dagster.close()
        database.close()

    app = FastAPI(
        title="lead_assets",
        description=DESCRIPTION,
        version=version("lead_assets"),
        lifespan=closing,
        # Pages that show the document load scripts from elsewhere; the document itself is under the same rules as all.
        docs_url=None,
        redoc_url=None,
        # They would lead to whatever host the request names.
        redirect_slashes=False,
    )
    app.state.services = services
    app.include_router(router)
    app.include_router(open_router)
    errors.install(app, environment.campaigns)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, database=database, beyond_loopback=beyond_loopback)  # the last one added is asked first
    return app
