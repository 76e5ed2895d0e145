"""Make each peer's own environment under ``build/bench`` on first use: packages by uv, jars by Maven and javac."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from shop_platform.errors import ShopError

ROOT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).resolve().parent
_CACHE = ROOT / "build" / "bench"
_INSTALL_SECONDS = 900

AIVEN_VERSION = "6.10.0"
AIVEN_SOURCE_VARIABLE = "SHOP_BENCH_AIVEN_JDBC"
_AIVEN_SOURCE = "https://github.com/Aiven-Open/jdbc-connector-for-apache-kafka"


class PeerUnavailableError(ShopError):
    """A peer cannot be had on this machine; the comparison goes on without it and says so."""


prepared_parts: dict[tuple[str, ...], Path | PeerUnavailableError] = {}
"""What this process has asked for: where it is, or why it cannot be had."""


def _asked_once(make: Callable[..., Path]) -> Callable[..., Path]:
    """Remember what a part is, or why it cannot be had: several tools need the same one, and asking takes minutes."""

    @wraps(make)
    def asked(*names: str) -> Path:
        part = (make.__name__, *names)
        if part not in prepared_parts:
            try:
                prepared_parts[part] = make(*names)
            except PeerUnavailableError as error:
                prepared_parts[part] = error
        found = prepared_parts[part]
        if isinstance(found, PeerUnavailableError):
            raise found
        return found

    return asked


def pinned_version(requirements: str, package: str) -> str:
    """Return the version that the text of a requirements file pins ``package`` to; raise ``KeyError`` without one."""
    match = re.search(rf"^{re.escape(package)}==([^\s;]+)", requirements, re.MULTILINE | re.IGNORECASE)
    if match is None:
        raise KeyError(package)
    return match[1]


def pom_version(pom: str, artifact: str) -> str:
    """Return the version that a Maven project file (its text) wants of ``artifact``; raise ``KeyError`` without."""
    match = re.search(rf"<artifactId>{re.escape(artifact)}</artifactId>\s*<version>([^<]+)</version>", pom)
    if match is None:
        raise KeyError(artifact)
    return match[1]


def requirements_of(peer: str) -> Path:
    """Return the peer's pinned requirements file."""
    return _HERE / "requirements" / f"{peer}.txt"


def program(name: str) -> Path:
    """Return a program that a peer's interpreter runs."""
    return _HERE / "programs" / f"{name}.py"


@_asked_once
def python_environment(peer: str) -> Path:
    """Return the interpreter of ``peer``'s environment, made from its requirements when it is not there yet.

    Raises :class:`PeerUnavailableError` with uv's last line when a package cannot be had.
    """
    requirements = requirements_of(peer)
    folder = _CACHE / peer
    python, stamp = folder / "venv" / "bin" / "python", folder / "made-from"
    wanted = _fingerprint(requirements.read_bytes(), sys.version.encode())
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    sys.stderr.write(f"  installing {peer} into {folder.relative_to(ROOT)} …\n")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    uv = _output(["sh", str(ROOT / "scripts" / "get-uv.sh")], peer)
    _output([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], peer)
    _output([uv, "pip", "install", "--quiet", "--python", str(python), "--requirement", str(requirements)], peer)
    stamp.write_text(wanted)
    return python


def connect_worker() -> Path:
    """Return the folder with Kafka Connect's jars. Raises :class:`PeerUnavailableError`."""
    return _jars("worker")


@_asked_once
def connector(name: str) -> Path:
    """Return a plugin folder with the connector ``name``: ``aiven`` or ``debezium``.

    Aiven publishes its connector as a release on GitHub and on no Maven repository. Its tagged source is cloned and
    compiled; the variable ``SHOP_BENCH_AIVEN_JDBC`` may name another clone (a path or a URL) to take it from. Raises
    :class:`PeerUnavailableError`.
    """
    folder = _jars(name)
    if name == "aiven" and not (folder / "connector.jar").exists():
        _compile_aiven(folder)
    return folder.parent


def connector_version(name: str) -> str:
    """Return the version of a connector together with that of Kafka Connect."""
    runtime = pom_version((_HERE / "jars" / "worker.xml").read_text(), "connect-runtime")
    own = AIVEN_VERSION
    if name != "aiven":
        own = pom_version((_HERE / "jars" / f"{name}.xml").read_text(), f"{name}-connector-jdbc")
    return f"{own} (Connect {runtime})"


@_asked_once
def _jars(name: str) -> Path:
    pom = _HERE / "jars" / f"{name}.xml"
    folder = _CACHE / "connect" / f"{name}-{_fingerprint(pom.read_bytes())}" / name
    if folder.exists():
        return folder
    _require_tools("mvn", "java")
    sys.stderr.write(f"  fetching the jars of {name} …\n")
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shutil.copy(pom, folder.parent / "pom.xml")
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
    _output([*command, f"-DoutputDirectory={partial}"], name, folder.parent)
    partial.rename(folder)
    return folder


def _compile_aiven(folder: Path) -> None:
    _require_tools("git", "javac", "jar")
    source = os.environ.get(AIVEN_SOURCE_VARIABLE, _AIVEN_SOURCE)
    sys.stderr.write(f"  compiling Aiven's JDBC connector {AIVEN_VERSION} …\n")
    work = folder.parent / "source"
    shutil.rmtree(work, ignore_errors=True)
    clone = ["git", "-c", "advice.detachedHead=false", "clone", "--quiet", "--depth", "1"]
    try:
        _output([*clone, "--branch", f"v{AIVEN_VERSION}", source, str(work)], "Aiven's JDBC connector")
    except PeerUnavailableError as error:
        raise PeerUnavailableError(
            error.message, f"It is on no Maven repository. {AIVEN_SOURCE_VARIABLE} may name a clone of {_AIVEN_SOURCE}."
        ) from error
    classes = work / "classes"
    shutil.copytree(work / "src" / "main" / "resources", classes)
    classpath = os.pathsep.join([f"{connect_worker()}/*", f"{folder}/*"])
    files = [str(path) for path in sorted((work / "src" / "main" / "java").rglob("*.java"))]
    _output(["javac", "-nowarn", "-d", str(classes), "-cp", classpath, *files], "Aiven's JDBC connector")
    partial = folder.parent / "connector.jar"
    _output(["jar", "--create", "--file", str(partial), "-C", str(classes), "."], "Aiven's JDBC connector")
    partial.rename(folder / "connector.jar")
    shutil.rmtree(work)


def _require_tools(*names: str) -> None:
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise PeerUnavailableError(
            f"There is no {' and no '.join(missing)} on the PATH", "Install a JDK, Maven and git."
        )


def _fingerprint(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _output(command: list[str], what: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailableError(f"{what}: `{Path(command[0]).name}` did not end in time", "Try again.") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise PeerUnavailableError(
            f"{what}: `{Path(command[0]).name}` failed ({done.returncode}): {lines[-1]}",
            "Is the package index or the repository reachable?",
        )
    return done.stdout.strip()
