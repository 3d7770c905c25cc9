"""Which addresses a user's URL may lead to: public ones, and those that the installation allows.

The networks are those of IANA's registries of special-purpose addresses (RFC 6890 and what followed it).

Forbidden here: I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

from warren.errors import UrlRefusedError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

GLOBAL_IPV6: Final = ip_network("2000::/3")
"""The only IPv6 addresses that IANA has given out as public ones. Outside lie, among others, loopback, link-local and
unique local addresses, multicast, IPv4-mapped ones (::ffff:0:0/96) and NAT64 (64:ff9b::/96, 64:ff9b:1::/48)."""

NOT_PUBLIC: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a carrier's NAT
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, and the metadata services of clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation
        ),
    )
)

USUAL_SETTING: Final = "WARREN_CALLBACK_ALLOW"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is allowed besides public addresses: hosts by name, whatever their addresses are, and networks."""

    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    setting: str = USUAL_SETTING
    """Where an administrator says so: what a refusal names."""

    @classmethod
    def parse(cls, words: Sequence[str], setting: str = USUAL_SETTING) -> Self:
        """Return what the words of a setting allow: `10.1.2.0/24`, `fd00::1`, `hooks.svc`, `*.apps.svc`.

        Raises:
            ValueError: one is none of these.

        """
        names: set[str] = set()
        suffixes: list[str] = []
        networks: list[Network] = []
        for word in words:
            if network := _network(word):
                networks.append(network)
            elif _is_name(word.removeprefix("*.")):
                name = word.removeprefix("*").lower().rstrip(".")
                (suffixes.append if name.startswith(".") else names.add)(name)
            else:
                raise ValueError(
                    f"{word!r} is neither an address, nor a network (10.1.2.0/24), nor a host (*.apps.svc)"
                )
        return cls(frozenset(names), tuple(suffixes), tuple(networks), setting)

    def host(self, name: str) -> bool:
        """Tell whether a host is allowed by its name."""
        name = name.lower().rstrip(".")
        return name in self.names or name.endswith(self.suffixes)

    def address(self, address: Address) -> bool:
        """Tell whether an address may be connected to."""
        return any(address in network for network in self.networks) or is_public(address)


def is_public(address: Address) -> bool:
    """Tell whether an address is a public one."""
    if isinstance(address, IPv6Address) and (address.scope_id or address not in GLOBAL_IPV6):
        return False
    return not any(address in network for network in NOT_PUBLIC)


def site(host: str) -> str:
    """Return what a host's neighbours have in common with it: the last two words of its name; an address is its own."""
    name = host.lower().rstrip(".")
    return name if _network(name) else ".".join(name.split(".")[-2:])


def permitted(host: str, addresses: Sequence[str], allowed: Allowed) -> list[str]:
    """Return those of a host's addresses that may be connected to.

    Raises:
        UrlRefusedError: there are none.

    """
    if allowed.host(host):
        return list(addresses)
    good = [text for text in addresses if allowed.address(ip_address(text))]
    if not good:
        raise UrlRefusedError(
            f"the host {host!r} is not at a public address; an administrator can allow it ({allowed.setting})"
        )
    return good


def _network(word: str) -> Network | None:
    try:
        return ip_network(word)
    except ValueError:
        return None


def _is_name(word: str) -> bool:
    labels = word.rstrip(".").split(".")
    return not labels[-1].isdecimal() and all(
        label and label.isascii() and label.replace("-", "").replace("_", "").isalnum() for label in labels
    )
