"""Tokens: 256 random bits, of which the hash is stored.

A plain SHA-256 is enough: what slow hashes protect is guessable, and 256 random bits are not.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "lead_assets_"
"""So that whoever finds one in a file knows what it opens, scanners for secrets too."""


def new_token() -> str:
    """A token, to be shown once."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_token(token: bytes) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token).hexdigest()


def matches_one(token: bytes, hashes: Iterable[str]) -> bool:
    """Whether ``token`` has one of ``hashes``. All are compared, each in constant time: timing tells nothing."""
    given, found = hash_token(token), False
    for stored in hashes:
        found |= hmac.compare_digest(given, stored)
    return found
