"""The text of a document, and its hash."""

import hashlib

EXCERPT_CHARACTERS = 500
"""How much of a rejected document's text is kept with its rejection."""


def document_text(title: str, body: str) -> str:
    """The text of a document as it is hashed, indexed, embedded and read."""
    return f"{title}\n\n{body}"


def text_hash(text: str) -> str:
    """SHA-256 of the text's UTF-8 bytes, in hexadecimal; lone surrogates count as question marks."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
