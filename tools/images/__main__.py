"""`python -m tools.images base|standins|build|load|push`."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.cluster import kind
from tools.cluster.stages import ClusterError
from tools.debian import DebianError, ensure_packages
from tools.gobuild import GoBuildError
from tools.images import components, containerd, docker, examples, standins
from tools.images.buildah import ImageError
from tools.images.chroot import ChrootError
from tools.node import NodeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Build Warren's images and the stand-ins they need, and bring them to a cluster or a registry."""
    options = _parser().parse_args(arguments)
    try:
        _ACTIONS[options.action](options)
    except (ImageError, ChrootError, ClusterError, DebianError, GoBuildError, NodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=main.__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("base", help="make the stand-in of the Python base image")
    actions.add_parser("standins", help="make the stand-ins of RabbitMQ, Valkey, Prometheus and the S3 server")
    for name, what in (("build", "build Warren's images"), ("push", "push Warren's images to their registry")):
        _choose(actions.add_parser(name, help=what))
    load = actions.add_parser("load", help="put Warren's images where the local cluster's pods find them")
    _choose(load)
    load.add_argument("--standins", action="store_true", help="the stand-ins as well")
    return parser


def _choose(parser: argparse.ArgumentParser) -> None:
    known = components.COMPONENTS
    parser.add_argument("--component", action="append", choices=known, help="default: all but consumer-gpu; repeatable")
    parser.add_argument("--examples", action="store_true", help="those of examples/ as well")
    what = "that of a package of tasks of one's own, in this folder, on Warren's consumer, and no other; repeatable"
    parser.add_argument("--package", action="append", type=Path, default=[], help=what)
    parser.add_argument("--registry", default=components.LOCAL_REGISTRY, help="prefix of the names (%(default)s)")
    parser.add_argument("--tag", help="default: the project's version")


def _images(options: argparse.Namespace) -> dict[str, str]:
    """Return the names of the chosen components' images."""
    default = () if options.package else components.DEFAULT
    chosen = [*(options.component or default), *(examples.COMPONENTS if options.examples else ()), *_packages(options)]
    return {component: components.name(component, options.registry, options.tag) for component in chosen}


def _packages(options: argparse.Namespace) -> dict[str, Path]:
    return {examples.component_of(folder): folder for folder in options.package}


def _base(_: argparse.Namespace) -> None:
    ensure_packages(["buildah"])
    print(standins.ensure_base())


def _stand_ins(_: argparse.Namespace) -> None:
    ensure_packages(["buildah"])
    print("\n".join(standins.ensure_peers()))


def _build(options: argparse.Namespace) -> None:
    consumer = components.name("consumer", options.registry, options.tag)
    packages = _packages(options)
    for component, image in _images(options).items():
        started = time.monotonic()
        if component in packages:
            examples.build_package(packages[component], image, consumer)
        elif component in examples.COMPONENTS:
            examples.build(component, image, consumer)
        else:
            components.build(component, image)
        print(f"{image}: built in {time.monotonic() - started:.1f} s", flush=True)


def _load(options: argparse.Namespace) -> None:
    images = list(_images(options).values())
    if docker.usable():
        # kind's node fetches the official images itself.
        kind.load(images)
        return
    for image in [*images, *(standins.ensure_peers() if options.standins else ())]:
        started = time.monotonic()
        loaded = containerd.load(image)
        seconds = time.monotonic() - started
        print(f"{image}: {f'loaded in {seconds:.1f} s' if loaded else 'is there already'}", flush=True)


def _push(options: argparse.Namespace) -> None:
    components.push(list(_images(options).values()))


_ACTIONS: dict[str, Callable[[argparse.Namespace], None]] = {
    "base": _base,
    "standins": _stand_ins,
    "build": _build,
    "load": _load,
    "push": _push,
}

if __name__ == "__main__":
    sys.exit(main())
