"""What went wrong, as answers: one shape, ``{"error": "one sentence"}``, and one place where errors become statuses."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from lead_assets.domain.errors import (
    CampaignBusy,
    CampaignUnknown,
    DagsterRefused,
    InvalidInput,
    LeadAssetsError,
    Unavailable,
)

RETRY_SECONDS = 5
MAX_SENTENCE_CHARACTERS = 500
UNTOLD = (LeadAssetsError, OperationalError, InterfaceError, PoolExhausted, ProgrammingError)
"""Errors that are expected: ours, and a database that goes away, has no connection left, or was put there anew."""

_STATUSES: tuple[tuple[type[LeadAssetsError], int], ...] = (
    (CampaignUnknown, 404),
    (InvalidInput, 422),
    (CampaignBusy, 503),
    (Unavailable, 503),
    (DagsterRefused, 503),
)
_log = logging.getLogger(__name__)


class RunUnknown(LeadAssetsError):
    """Dagster knows no run of this id."""


class RunInFlight(LeadAssetsError):
    """A run of the campaign has not ended."""

    def __init__(self, campaign_id: str, run_id: str, url: str) -> None:
        """``run_id`` is the run that has to end first."""
        super().__init__(f"Run {run_id} of campaign {campaign_id} has not ended. A second one has to wait for it.")
        self.run_id = run_id
        self.url = url


def clean(text: str) -> str:
    """``text`` for an answer: what UTF-8 cannot say, such as odd file names, becomes ``?``; long is cut."""
    said = text.encode("utf-8", "replace").decode()
    return said if len(said) <= MAX_SENTENCE_CHARACTERS else f"{said[: MAX_SENTENCE_CHARACTERS - 1]}…"


def refused(status: int, sentence: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """An answer that says what is wrong."""
    own = {"www-authenticate": "Bearer"} if status == 401 else {}
    own |= {"retry-after": str(RETRY_SECONDS)} if status == 503 else {}
    return JSONResponse({"error": clean(sentence), **more}, status, headers={**own, **(headers or {})})


def told(error: Exception, campaigns: Path | None = None) -> Response:
    """The answer to one of ``UNTOLD``. Where ``campaigns`` lies on this machine is not said."""
    if isinstance(error, RunInFlight):
        return refused(409, str(error), run_id=error.run_id, url=error.url)
    return refused(*status_and_sentence(error, campaigns))


def status_and_sentence(error: Exception, campaigns: Path | None = None) -> tuple[int, str]:
    """The status of the answer to one of ``UNTOLD``, and what is wrong in a sentence."""
    if isinstance(error, RunInFlight):
        return 409, str(error)
    if isinstance(error, RunUnknown):
        return 404, str(error)
    if isinstance(error, ProgrammingError):
        _log.error("PostgreSQL did not take a query: %s", error)
        return 503, "PostgreSQL has not the tables that this version needs. Run `lead-assets up`."
    if not isinstance(error, LeadAssetsError):
        _log.warning("PostgreSQL did not answer: %s", error)
        return 503, "PostgreSQL stopped answering, or has no connection left. Ask again."
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    return status, clean(without_folder(str(error), campaigns))


def without_folder(sentence: str, campaigns: Path | None) -> str:
    """``sentence`` without the way to the folder of campaign files."""
    return sentence.replace(str(campaigns), campaigns.name) if campaigns else sentence


def install(app: FastAPI, campaigns: Path) -> None:
    """Let ``app`` answer all errors in the one shape."""

    def expected(_: Request, error: Exception) -> Response:
        return told(error, campaigns)

    for kind in UNTOLD:
        app.add_exception_handler(kind, expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_the_framework)
    # The server logs the traceback once this is answered.
    app.add_exception_handler(Exception, lambda _, __: refused(500, "Something went wrong here. The log says what."))


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    what = str(first["msg"]).removeprefix("Value error, ")
    return refused(422, f"{where or first['loc'][0]}: {what}.")


def _of_the_framework(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refused(error.status_code, f"{error.detail}.", headers=error.headers)
