"""Certificates made by openssl, as the brokers and clients of a test need them. Not a test."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


def openssl_available() -> tuple[bool, str]:
    """Whether certificates can be made here, and if not, why."""
    return (True, "") if shutil.which("openssl") else (False, "no `openssl` on the PATH")


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, both PEM."""

    certificate: Path
    key: Path

    def store(self) -> Path:
        """Return both in one file, as Kafka's `ssl.keystore.type=PEM` wants them."""
        path = self.key.with_suffix(".store.pem")
        path.write_text(self.key.read_text() + self.certificate.read_text())
        return path


class Authority:
    """A certificate authority of a test's own."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir()
        self._folder = folder
        self._own = Certificate(folder / "ca.pem", folder / "ca.key.pem")
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", self._own.key, "-out", self._own.certificate),
        )

    @property
    def certificate(self) -> Path:
        """What a client trusts."""
        return self._own.certificate

    def issue(self, name: str, *hosts: str, password: str = "") -> Certificate:
        """Return a certificate for `CN=name`, good for `hosts` (`IP:127.0.0.1`, `DNS:example.org`)."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key.pem")
        request = self._folder / f"{name}.csr"
        secrecy = ("-passout", f"pass:{password}") if password else ("-noenc",)
        extension = ("-addext", f"subjectAltName={','.join(hosts)}") if hosts else ()
        _openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *secrecy, "-subj", f"/CN={name}"),
            *(*extension, "-keyout", made.key, "-out", request),
        )
        _openssl(
            *("x509", "-req", "-days", "2", "-in", request, "-CA", self._own.certificate, "-CAkey", self._own.key),
            *("-CAcreateserial", "-copy_extensions", "copy", "-out", made.certificate),
        )
        return made


def _openssl(*arguments: object) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
