"""Where webhooks may go: the public internet over HTTPS, and nowhere inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from review_queue.errors import ReceiverRefused

HTTPS = 443
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST = 2000  #: characters of an address
GLOBAL_UNICAST = IPv6Network("2000::/3")
#: Where networks without IPv4 reach it: the IPv4 address is in the last four bytes (RFC 6052).
NAT64 = IPv6Network("64:ff9b::/96")
#: Kept for examples and for tunnels, and known as such to later versions of Python only (RFC 9637, RFC 7526).
SET_APART = (IPv6Network("3fff::/20"), IPv4Network("192.88.99.0/24"))
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class Reach:
    """How far webhooks may go."""

    ports: frozenset[int] = frozenset({HTTPS})
    to_loopback: bool = False  #: to this machine too, unencrypted and on any port: for trying it out


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be tried; where its name leads is looked at in every attempt."""

    url: str  #: as it is stored and sent to: the name in ASCII, lower case
    host: str
    port: int
    is_loopback: bool  #: this machine, named as such


def target_of(url: str, reach: Reach) -> Target:
    """The address, if webhooks may be sent there.

    Raises:
        ReceiverRefused: with what is wrong with it.
    """
    text = url.strip()
    if len(text) > LONGEST or not text.isprintable() or " " in text or "\\" in text:
        raise ReceiverRefused("This is no web address. Write one like https://example.com/hooks.")
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        name = host if ":" in host else host.encode("idna").decode().lower()
    except ValueError as problem:  # a port that is no number, brackets that do not close, a name that cannot be
        raise ReceiverRefused("This is no web address. Write one like https://example.com/hooks.") from problem
    if parts.username is not None or parts.password is not None:
        raise ReceiverRefused("The address holds a user or a password. Leave it out: every message is signed.")
    if parts.fragment:
        raise ReceiverRefused("The address has a part behind #, which no server gets to see. Leave it out.")
    is_here = reach.to_loopback and name in LOOPBACK
    if parts.scheme != "https" and not (is_here and parts.scheme == "http"):
        raise ReceiverRefused("The address must start with https://, so that nobody reads it on the way.")
    if not is_here:
        _require_public_name(name)
    number = port if port is not None else HTTPS if parts.scheme == "https" else 80
    if not is_here and number not in reach.ports:
        allowed = ", ".join(str(each) for each in sorted(reach.ports))
        raise ReceiverRefused(f"Port {number} is not allowed here. Allowed: {allowed} (WORKBENCH_WEBHOOK_PORTS).")
    shown = f"[{name}]" if ":" in name else name
    place = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    where = shown if port is None else f"{shown}:{port}"
    return Target(f"{parts.scheme}://{where}{place}{query}", name, number, is_here)


def is_allowed(address: str, target: Target) -> bool:
    """Whether a connection to this IP address may be opened for that target."""
    found = ip_address(address.partition("%")[0])
    return found.is_loopback if target.is_loopback else is_public(found)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet, and no other is hidden in it."""
    if any(address in network for network in SET_APART):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
    if address in NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    # Tunnels (6to4, Teredo) carry an IPv4 address of the sender's choice; nobody offers a service there.
    hides = address.ipv4_mapped or address.sixtofour or address.teredo
    return address in GLOBAL_UNICAST and address.is_global and not address.is_multicast and not hides


def _require_public_name(name: str) -> None:
    labels = name.split(".")
    if ":" in name or _is_number(labels[-1]):
        raise ReceiverRefused("The address names a number instead of a server. Write the server's name.")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ReceiverRefused(f"{name or 'This'} is no server on the internet. Write its whole name.")


def _is_number(label: str) -> bool:
    """Whether a name that ends so is read as an IP address: decimal, octal or hexadecimal."""
    return label.isdecimal() or re.fullmatch(r"0x[0-9a-f]*", label) is not None
