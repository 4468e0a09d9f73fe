"""Which requests to a server on this machine are no other web page's: one rule for the API and for Dagster's UI.

A page on any site can send requests to 127.0.0.1. A name that an attacker points there comes with the attacker's
``Host``; another page's request has its ``Origin``, or says by ``Sec-Fetch-Site`` that it comes from elsewhere.
"""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hostname(host: str) -> str:
    """The name or address in a header ``Host``, without its port; empty where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_address(host: str) -> bool:
    """Whether ``host`` is an IP address: nobody can point one elsewhere, as one can a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_of_another_page(hosts: Sequence[str], origins: Sequence[str], sites: Sequence[str]) -> bool:
    """Whether a browser sent a request for a page that is not ours.

    The arguments are the values of the headers ``Host``, ``Origin`` and ``Sec-Fetch-Site``.
    """
    if len(hosts) != 1 or len(origins) > 1 or len(sites) > 1:
        return True
    return (sites or ["none"])[0] not in ("none", "same-origin") or any(
        origin.lower() != f"http://{hosts[0].lower()}" for origin in origins
    )
