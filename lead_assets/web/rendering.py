"""How pages are made: templates with everything escaped, headers that allow no code but ours, forms with a token."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lead_assets.api.access import Identity, identity_of
from lead_assets.api.errors import UNTOLD, status_and_sentence
from lead_assets.api.routes import Services, services_of
from lead_assets.api.sessions import form_token, is_form_token, new_session, remember, session_in
from lead_assets.domain.errors import InvalidInput
from lead_assets.web.templating import templates

HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # not no-referrer: browsers would send our own forms with the origin null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
MAX_FIELDS = 2_000


class FormRefused(InvalidInput):
    """A form that was not made by this page for this browser."""


@dataclass(frozen=True)
class Visit:
    """One request of a person: who it is, and the session that its forms are made for."""

    request: Request
    services: Services
    identity: Identity
    session: str
    is_new_session: bool

    def render(self, template: str, status: int = 200, **content: Any) -> Response:
        """A page."""
        page = templates.get_template(template).render(
            form_token=form_token(self.session),
            may_work=self.identity.may_work,
            actor=self.identity.actor,
            now=datetime.now(UTC),
            here=_path_of(self.request),
            **content,
        )
        response = HTMLResponse(page, status, headers=dict(HEADERS))
        if self.is_new_session:
            remember(response, self.session)
        return response


def _visit(request: Request) -> Visit:
    session = session_in(request.headers.get("cookie", ""))
    return Visit(request, services_of(request), identity_of(request), session or new_session(), session is None)


Visiting = Annotated[Visit, Depends(_visit)]


@dataclass(frozen=True)
class Form:
    """The fields of a form that our own page was sent with."""

    fields: Mapping[str, list[str]]

    def get(self, name: str) -> str:
        """The first value of a field; empty where it is not there."""
        return (self.fields.get(name) or [""])[0].strip()

    def all(self, name: str) -> list[str]:
        """All values of a field that are not empty."""
        return [value.strip() for value in self.fields.get(name) or [] if value.strip()]

    def back(self, campaign_id: str, **added: str) -> Response:
        """Back to where the form was, which is a page of the campaign's and nowhere else."""
        wanted = urlsplit(self.get("next"))
        base = f"/c/{campaign_id}"
        path = wanted.path if wanted.path == base or wanted.path.startswith(f"{base}/") else base
        query = {name: values[0] for name, values in parse_qs(wanted.query).items() if name not in ("done", "said")}
        query |= added
        return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)


async def _form(request: Request) -> Form:
    body = await request.body()
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise FormRefused("The form cannot be read. Load the page again.") from None
    form = Form(fields)
    if not is_form_token(session_in(request.headers.get("cookie", "")), form.get("form_token")):
        raise FormRefused("This form is too old, or was not made by this page. Load the page again.")
    return form


OurForm = Annotated[Form, Depends(_form)]


class PageRoute(APIRoute):
    """A route for people: what goes wrong is a page that says so in a sentence."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors told as a page."""
        handle = super().get_route_handler()

        async def handle_told(request: Request) -> Response:
            try:
                return await handle(request)
            except UNTOLD as error:
                campaigns = services_of(request).environment.campaigns
                status, sentence = status_and_sentence(error, campaigns)
                status = 403 if isinstance(error, FormRefused) else status
                return _visit(request).render("error.html", status, sentence=sentence)

        return handle_told


def _path_of(request: Request) -> str:
    """The page's own address, without what an action has added to it."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name not in ("done", "said")]
    return f"{request.url.path}?{urlencode(query)}" if query else request.url.path
