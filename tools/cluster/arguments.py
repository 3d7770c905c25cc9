"""What etcd and the API server are told wherever this repository runs them.

Forbidden here: starting them, and where one control plane keeps its files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of a certificate and of its private key."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Papers:
    """The files by which the API server knows others, and they know it."""

    authority: str
    """The certificate of whom clients have to be vouched for by."""
    server: Pair
    accounts: Pair
    """What service accounts' tokens are signed with, and checked by."""
    front_authority: str
    """The certificate of who vouches for the caller of other API servers in the name of a client."""
    front: Pair
    front_name: str


def etcd(data: Path, port: int, peer_port: int) -> list[str]:
    """Return the arguments of an etcd of one member on the loopback interface."""
    clients, peers = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{peer_port}"
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        # Nothing here outlives its machine: a sync of the disk for each write would only slow everything down.
        "--unsafe-no-fsync",
    ]


def api_server(address: str, port: int, etcd_port: int, issuer: str, papers: Papers) -> list[str]:
    """Return the arguments of an API server on this address that keeps everything in the etcd on that port."""
    return [
        f"--bind-address={address}",
        f"--advertise-address={address}",
        f"--secure-port={port}",
        f"--etcd-servers=http://{LOOPBACK}:{etcd_port}",
        f"--client-ca-file={papers.authority}",
        f"--tls-cert-file={papers.server.certificate}",
        f"--tls-private-key-file={papers.server.key}",
        f"--service-account-issuer={issuer}",
        f"--service-account-key-file={papers.accounts.certificate}",
        f"--service-account-signing-key-file={papers.accounts.key}",
        # How it calls API servers behind it, a metrics server for one, in the name of others.
        f"--proxy-client-cert-file={papers.front.certificate}",
        f"--proxy-client-key-file={papers.front.key}",
        f"--requestheader-client-ca-file={papers.front_authority}",
        f"--requestheader-allowed-names={papers.front_name}",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
    ]
