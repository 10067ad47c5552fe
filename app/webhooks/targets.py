"""Where a webhook may go. The URL comes from a client, so it must not reach what only this machine can reach.

A name is resolved once, and the connection goes to the address that was checked: a name that answers with another
address a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 2000
"""Characters."""

LONGEST_HOST = 253
"""Characters of a name in the domain name system (RFC 1035)."""

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that a translator turns into the IPv4 address of their last 32 bits (RFC 6052)."""

DEFAULT_PORTS = {"http": 80, "https": 443}


class TargetError(Exception):
    """The URL is not one that webhooks may go to; the message says why."""


@dataclass(frozen=True)
class Target:
    """A URL whose address was checked."""

    url: SplitResult
    address: str
    port: int


def check_url(text: str, allowed: Sequence[Network]) -> SplitResult:
    """Check all of a URL that does not need the network.

    Raises
    ------
    TargetError
        It is not an http or https URL with a host, has a user or a fragment, or its host is an address that webhooks
        may not reach.
    """
    if len(text) > LONGEST_URL or not text.isascii() or not text.isprintable() or " " in text:
        raise TargetError(f"expected at most {LONGEST_URL} printable ASCII characters without spaces")
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise TargetError("the URL cannot be read") from error
    if url.scheme not in DEFAULT_PORTS or not url.hostname or len(url.hostname) > LONGEST_HOST:
        raise TargetError("expected https://host/path")
    if url.username is not None or url.password is not None or url.fragment:
        raise TargetError("a user, a password or a fragment may not be in the URL")
    try:
        address = ipaddress.ip_address(url.hostname)
    except ValueError:
        return url
    _check_address(address, url.scheme, allowed)
    return url


def resolve(text: str, allowed: Sequence[Network]) -> Target:
    """Check a URL and every address of its host; return the first.

    Raises
    ------
    TargetError
        The URL is not acceptable, the host has no address, or one of its addresses may not be reached.
    """
    url = check_url(text, allowed)
    assert url.hostname is not None
    port = url.port or DEFAULT_PORTS[url.scheme]
    try:
        found = socket.getaddrinfo(url.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TargetError("the host's name has no address") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        _check_address(ipaddress.ip_address(address.partition("%")[0]), url.scheme, allowed)
    return Target(url, addresses[0], port)


def _check_address(address: Address, scheme: str, allowed: Sequence[Network]) -> None:
    inner = _inner(address)
    if any(inner in network for network in allowed):
        return
    if not inner.is_global or inner.is_multicast:
        raise TargetError(
            f"{address} is an address of a private network; the operator can allow it with VERTEBRA_WEBHOOK_ALLOW"
        )
    if scheme != "https":
        raise TargetError("expected https outside the networks of VERTEBRA_WEBHOOK_ALLOW")


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, if any: mapped, translated or tunnelled."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
