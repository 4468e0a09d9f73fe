"""The API with the page beside it: what ``lead-assets api`` serves."""

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from lead_assets.api.app import build_app
from lead_assets.config.environment import Environment
from lead_assets.web.actions import actions
from lead_assets.web.pages import pages
from lead_assets.web.signing_in import signing_in
from lead_assets.web.tuning import tuning

STATIC = Path(__file__).parent / "static"


def build_site(environment: Environment, *, beyond_loopback: bool = False) -> FastAPI:
    """The API and the page on what ``environment`` names. ``beyond_loopback``: whether other machines reach them.

    Raises:
        DatabaseUnavailable: no database is known.
    """
    app = build_app(environment, beyond_loopback=beyond_loopback)
    for router in (pages, actions, tuning, signing_in):
        app.include_router(router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
