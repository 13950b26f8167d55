"""TLS towards upstreams: which certificates are trusted.

Certificates and host names are always checked; there is no setting that switches that off. A
private authority is given as a bundle file, which then stands in the place of the system's store.
"""

import ssl
from functools import lru_cache

import msgspec


class TlsSettings(msgspec.Struct, frozen=True):
    """`ca_bundle_file` holds PEM certificates; None means the system's store."""

    ca_bundle_file: str | None = None


@lru_cache(maxsize=8)
def make_tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """The context for these settings; made once, because reading a store takes milliseconds.

    Raises `ValueError` when the bundle cannot be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_bundle_file)
    except OSError as error:
        raise ValueError(
            f"The CA bundle {settings.ca_bundle_file!r} cannot be read as PEM certificates: "
            f"{error.strerror or error}."
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context
