"""Debian packages: which of their files are services, and what somebody without the right to install is told."""

import os

import pytest

from tools.debian import DebianError, ensure_packages, missing, units_among


def test_units_are_found_wherever_systemd_looks_for_them() -> None:
    files = [
        "/lib/systemd/system/rabbitmq-server.service",
        "/usr/lib/systemd/system/epmd.socket",
        "/lib/systemd/system/redis-server@.service",
        "/usr/lib/systemd/user/dirmngr.service",
        "/usr/share/doc/epmd.service",
        "/lib/systemd/system",
    ]

    assert units_among(files) == ["epmd.socket", "rabbitmq-server.service"]


def test_what_is_installed_is_not_missing() -> None:
    assert missing(["dpkg", "no-such-package"]) == ["no-such-package"]


def test_without_the_right_to_install_there_is_one_command_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(DebianError, match=r"sudo .* -m tools\.debian no-such-package another-one"):
        ensure_packages(["no-such-package", "dpkg", "another-one"])
