"""Where the review server listens: on this machine alone, unless somebody insists."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from preflect.errors import InputError

_IN_THE_OPEN: Final = """\
--host {host} lets others on the network reach the server, which speaks plain HTTP: passwords could be read on \
their way. Keep it on 127.0.0.1 and put TLS before it \
(`caddy reverse-proxy --from review.example.org --to 127.0.0.1:PORT`), or let annotators in by SSH \
(`ssh -L PORT:127.0.0.1:PORT HOST`); where the network itself is safe, add --i-know"""


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a port of this machine; no port is any free one, the last one if it can be had."""

    ip: IPv4Address | IPv6Address
    port: int | None

    def url(self, port: int) -> str:
        """The URL under which this machine reaches the port."""
        own = "127.0.0.1" if isinstance(self.ip, IPv4Address) else "::1"
        ip = own if self.ip.is_unspecified else str(self.ip)
        return f"http://[{ip}]:{port}" if ":" in ip else f"http://{ip}:{port}"


def address_of(host: str, port: int | None, *, network_allowed: bool) -> Address:
    """The host's address. Raises: InputError when it is none, or open to the network where that is not allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"--host {host} is no address ({error}); leave it out for 127.0.0.1") from error
    ip = ip_address(found[0][4][0])
    if not (ip.is_loopback or network_allowed):
        raise InputError(_IN_THE_OPEN.format(host=host))
    return Address(ip, port)


def bound(address: Address, last_port: int) -> socket.socket:
    """A socket at the address, that nobody else can take any more.

    Args: last_port is tried first where no port is asked for, 0 for none.
    Raises: InputError when the port is taken, or the address is not this machine's.
    """
    if address.port is not None:
        return _bound(address, address.port)
    try:
        return _bound(address, last_port)
    except InputError:
        return _bound(address, 0)


def _bound(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if isinstance(address.ip, IPv4Address) else socket.AF_INET6
    taken = socket.socket(family, socket.SOCK_STREAM)
    # A port whose last connections are still fading away is free.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((str(address.ip), port))
        taken.listen()
    except OSError as error:
        taken.close()
        reason = error.strerror or str(error)
        raise InputError(f"cannot listen on {address.ip} port {port}: {reason}; name another --port") from error
    return taken
