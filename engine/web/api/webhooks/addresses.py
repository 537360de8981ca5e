"""Where a webhook may lead: to the open internet by https, never into the network that the server stands in.

What a name means is looked up when something is sent, and the connection goes to the very address that was judged, so
a name that means something else a moment later leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from forewalk.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in IPv6's clothes
LONGEST = 500  # letters


class Forbidden(UsageError):  # noqa: N818 - what the address is
    """A webhook may not lead there."""


@dataclass(frozen=True)
class Target:
    """A URL in parts: whether by TLS, host as it was written, port, and path with its query."""

    is_encrypted: bool
    host: str
    port: int
    path: str


def target_of(url: str, loopback: bool) -> Target:
    """Return the parts of a URL that a webhook may have. Forbidden where it may not.

    Args:
        loopback: whether addresses of this machine are allowed, also without TLS.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Forbidden("url: it is no URL") from None
    if len(url) > LONGEST or not url.isascii() or any(letter <= " " or letter == "\x7f" for letter in url):
        raise Forbidden(f"url: {LONGEST} printable ASCII letters are the most; write others as %XX")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Forbidden("url: no user, password or #part; the signature says who sends")
    if parts.scheme not in ("https", "http") or not host:
        raise Forbidden("url: give https://HOST/PATH")
    literal = _literal(host)
    here = literal.is_loopback if literal is not None else host == "localhost"
    if parts.scheme == "http" and not (loopback and here):
        raise Forbidden("url: give https://HOST/PATH; http would be read on its way")
    if literal is not None:
        check(literal, loopback)
    encrypted = parts.scheme == "https"
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    return Target(encrypted, host, port or (443 if encrypted else 80), path)


def looked_up(target: Target, loopback: bool) -> str:
    """Return an address of the target's host to connect to. OSError; Forbidden if any of them is."""
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        check(ipaddress.ip_address(address.partition("%")[0]), loopback)
    return addresses[0]


def check(address: Address, loopback: bool) -> None:
    """Refuse an address that is not of the open internet, however it is dressed. Forbidden."""
    bare = _undressed(address)
    if loopback and bare.is_loopback:
        return
    if not bare.is_global or bare.is_multicast:
        raise Forbidden("url: it leads to a private address, and webhooks go to the open internet only")


def _undressed(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address


def _literal(host: str) -> Address | None:
    """Return the address that a host is written as, None for a name. Forbidden for other numbers."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    last = host.rstrip(".").rpartition(".")[2]
    if last[:1].isdigit():  # 127.1, 2130706433, 0x7f.1: what inet_aton reads and nobody means
        raise Forbidden("url: write an address with its four numbers")
    return None
