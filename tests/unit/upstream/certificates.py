"""An authority of the tests' own, and server contexts with certificates of its making."""

import ssl
from pathlib import Path

import trustme

from nagara.upstream.tls import TlsSettings


class Certificates:
    """Signs certificates for any name; `settings` trust it and nobody else."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        bundle = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(bundle))
        self.settings = TlsSettings(ca_bundle_file=str(bundle))

    def server(self, name: str) -> ssl.SSLContext:
        """A server's context for one host name or address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2", "http/1.1"])
        self._authority.issue_cert(name).configure_cert(context)
        return context
