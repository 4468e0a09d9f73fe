"""Where an OpenAI-compatible endpoint is. Apart from the client, which takes a good part of a second to import."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from lead_assets.domain.errors import SettingInvalid

OPENAI_URL = "https://api.openai.com/v1"
VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "EMBEDDING_API_KEY",
    "EMBEDDING_BASE_URL",
    "LLM_API_KEY",
    "LLM_BASE_URL",
)
Purpose = Literal["EMBEDDING", "LLM"]


@dataclass(frozen=True)
class Address:
    """Where requests go, and with which key; the key is in no text that this object makes."""

    url: str = OPENAI_URL
    api_key: str | None = field(default=None, repr=False)
    url_setting: str = "OPENAI_BASE_URL"
    key_setting: str = "OPENAI_API_KEY"

    @property
    def is_of_openai_s_account(self) -> bool:
        """Whether the OPENAI_ variables are meant for it."""
        return self.url_setting == "OPENAI_BASE_URL"

    def __post_init__(self) -> None:
        """Raises SettingInvalid: the URL is none, or has secrets in it; the key cannot be sent."""
        if not _is_plain(self.url):
            raise SettingInvalid(
                f"environment: {self.url_setting} must be such as http://127.0.0.1:11434/v1, without user, password or "
                f"query. A key goes into {self.key_setting}."
            )
        if self.api_key is not None and (not self.api_key.isascii() or not self.api_key.isprintable()):
            raise SettingInvalid(f"environment: {self.key_setting} has characters that no key has. Copy it again.")


def address_in(variables: Mapping[str, str], purpose: Purpose) -> Address | None:
    """The endpoint that ``variables`` name for ``purpose``; None where they name none.

    ``EMBEDDING_BASE_URL`` and ``LLM_BASE_URL`` go before ``OPENAI_BASE_URL``, for servers that have one model each.
    OpenAI's key is for where it belongs: an endpoint with an address of its own has a key of its own, or none.

    Raises:
        SettingInvalid: see ``Address``.
    """
    own_url, own_key = f"{purpose}_BASE_URL", f"{purpose}_API_KEY"
    if own_url in variables:
        return Address(variables[own_url].strip(), _key(variables, own_key), own_url, own_key)
    key_setting = own_key if own_key in variables else "OPENAI_API_KEY"
    key = _key(variables, key_setting)
    if key is None and "OPENAI_BASE_URL" not in variables:
        return None
    return Address(variables.get("OPENAI_BASE_URL", OPENAI_URL).strip(), key, key_setting=key_setting)


def _is_plain(url: str) -> bool:
    """Whether ``url`` is the address of a server and nothing else, such as a key, is in it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    more = parts.query or parts.fragment or "@" in parts.netloc or not url.isprintable() or " " in url
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not more


def _key(variables: Mapping[str, str], name: str) -> str | None:
    return variables.get(name, "").strip() or None
