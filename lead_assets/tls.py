"""Whom this process's HTTPS clients trust. Authorities are read once: it takes a tenth of a second each time."""

import ssl
from functools import cache


@cache
def trust_of_httpx() -> ssl.SSLContext:
    """What ``httpx`` makes for each client anew; SSL_CERT_FILE and SSL_CERT_DIR are heeded as they stand at first."""
    import httpx

    return httpx.create_ssl_context()


@cache
def trust_of_httpx2() -> ssl.SSLContext:
    """The same of ``httpx2``, which looks for authorities in other places."""
    import httpx2

    return httpx2.create_ssl_context()


def trust_for(url: str) -> ssl.SSLContext:
    """For a client of ``url`` that follows no redirects: where it is not HTTPS nobody need be trusted, and none is."""
    return trust_of_httpx() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
