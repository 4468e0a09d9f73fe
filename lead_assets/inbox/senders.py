"""Sending one message to one address: a signed webhook, or whatever Apprise knows how to reach."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.notify import ENVIRONMENT, Notify
from lead_assets.tls import trust_for

WEBHOOKS = ("webhook+https", "webhook+http")
TIMEOUT_SECONDS = 15.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Message:
    """What is sent: the same ``message_id`` at each attempt, a title and a text for people, data for programs."""

    message_id: str
    title: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: ``sent``, ``failed`` (to be tried again, perhaps after ``wait``), or ``gone`` for ever."""

    kind: Literal["sent", "failed", "gone"]
    error: str = ""
    wait: timedelta | None = None


def address_of(value: str, variables: Mapping[str, str] | None = None) -> str:
    """What ``to`` or ``secret`` says, or the variable that it names.

    Raises:
        InvalidInput: the variable is not set. Its value is never told.
    """
    if not value.startswith(ENVIRONMENT):
        return value
    name = value.removeprefix(ENVIRONMENT)
    found = (os.environ if variables is None else variables).get(name)
    if not found:
        raise InvalidInput(f"The variable {name}, which the campaign's notify names, is not set. Set it, or remove it.")
    return found


def send(notify: Notify, message: Message, now: datetime) -> Outcome:
    """Send ``message``; whatever goes wrong is an outcome, without the address in it."""
    try:
        address = address_of(notify.to)
        if urlsplit(address).scheme in WEBHOOKS:
            return _to_webhook(address, address_of(notify.secret), message, now)
    except (InvalidInput, ValueError) as error:
        return Outcome("failed", str(error) if isinstance(error, InvalidInput) else "The address cannot be read.")
    return _through_apprise(address, message)


def _to_webhook(address: str, secret: str, message: Message, now: datetime) -> Outcome:
    from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

    url = address.removeprefix("webhook+")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        return Outcome("failed", "A webhook beyond this machine needs https.")
    body = json.dumps(dict(message.data), ensure_ascii=False, default=str)
    try:
        signature = Webhook(secret).sign(message.message_id, now, body)
    except (ValueError, RuntimeError, EmptyWebhookSecretError):
        return Outcome("failed", "The webhook's secret is not one of Standard Webhooks (whsec_ and base64).")
    headers = {
        "content-type": "application/json",
        "webhook-id": message.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    try:
        answer = httpx.post(
            url,
            content=body.encode(),
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
            verify=trust_for(url),
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Outcome("failed", f"The receiver did not answer ({type(error).__name__}).")
    if answer.is_success:
        return Outcome("sent")
    if answer.status_code == httpx.codes.GONE:
        return Outcome("gone", "The receiver answered 410: it wants nothing more.")
    return Outcome("failed", f"The receiver answered {answer.status_code}.", _retry_after(answer, now))


def _retry_after(answer: httpx.Response, now: datetime) -> timedelta | None:
    given = answer.headers.get("retry-after", "")
    try:
        if given.isdecimal():
            return timedelta(seconds=min(int(given[:9]), 10**7))
        moment = parsedate_to_datetime(given)
        return max(timedelta(0), (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now)
    except (ValueError, OverflowError):
        return None


def _through_apprise(address: str, message: Message) -> Outcome:
    """Apprise says only whether it went."""
    import apprise

    sender = apprise.Apprise()
    if not sender.add(address):
        return Outcome("failed", "Apprise does not know this kind of address.")
    sent = sender.notify(
        title=without_mentions(message.title),
        body=without_mentions(message.text),
        body_format=apprise.NotifyFormat.TEXT,
    )
    return Outcome("sent") if sent else Outcome("failed", "The message was not accepted.")


def without_mentions(text: str) -> str:
    """``text`` of strangers for a chat: it calls nobody (@everyone, <!channel>, <@U1>)."""
    return re.sub(r"(?<!\w)@", "@\u200b", text).replace("<", "\u2039").replace(">", "\u203a")
