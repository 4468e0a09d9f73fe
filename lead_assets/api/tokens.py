"""Tokens: 256 random bits, of which the hash is stored.

A plain SHA-256 is enough: what slow hashes protect is guessable, and 256 random bits are not.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from lead_assets.storage.api_tokens import StoredToken

PREFIX = "lead_assets_"
"""So that whoever finds one in a file knows what it opens, scanners for secrets too."""


def new_token() -> str:
    """A token, to be shown once."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_token(token: bytes) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token).hexdigest()


def find_token(token: bytes, stored: Iterable[StoredToken]) -> StoredToken | None:
    """The token of ``stored`` that ``token`` is, unless it was revoked; None where it is none of them.

    All are compared, each in constant time: timing tells nothing.
    """
    given, found = hash_token(token), None
    for one in stored:
        if hmac.compare_digest(given, one.token_hash) and one.revoked_at is None:
            found = one
    return found
