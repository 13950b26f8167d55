"""What `nagara doctor` looks at beyond this machine: providers, and whether they answer.

Without `--reach` nothing leaves the machine. With it, each provider is asked once for its list of
models: it generates nothing and costs nothing. One that does not answer is a finding, not an error.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

from nagara.cli.config import mask
from nagara.cli.findings import Finding, is_doubtful, is_fine, is_wrong
from nagara.cli.first_call import near
from nagara.domain.catalog import ConfiguredProvider, Deployment, Transport
from nagara.domain.errors import GatewayError
from nagara.parts import make_pool
from nagara.runtime import SystemClock
from nagara.settings import Settings
from nagara.upstream.answer import Answer
from nagara.upstream.authorization import EVERY_TIME, encode_credential
from nagara.upstream.bounds import Timeouts
from nagara.upstream.origin import read_base_url
from nagara.upstream.pool import Pool

PATIENCE = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=5.0, total_s=20.0)
NEAR_PATIENCE = Timeouts(connect_s=1.0, first_byte_s=2.0, idle_s=1.0, total_s=3.0)
GREETING_BYTES_MAX = 4096
CLOCK_SKEW_S_MAX = 60


class Surroundings:
    """What can be asked over the network, by the client that the gateway itself would use."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """Raises `ValueError` for a CA bundle or a proxy that cannot be used."""
        self._settings = settings
        self._pool = make_pool(settings, environment, SystemClock())

    async def close(self) -> None:
        """Let go of all connections."""
        await self._pool.close()

    async def is_gateway_there(self) -> bool:
        """Whether a gateway of ours answers on the address of the settings."""
        try:
            base = read_base_url(near(self._settings.host, self._settings.port))
            answer = await self._pool.send(base.origin, b"GET", b"/", [], b"", NEAR_PATIENCE)
            greeting = await _read_some(answer)
            return bool(json.loads(greeting).get("name") == "nagara")
        except (GatewayError, ValueError, AttributeError):
            return False

    async def check_providers(
        self, providers: Sequence[ConfiguredProvider], *, is_asked: bool
    ) -> list[Finding]:
        """A finding for each provider in use; `is_asked` sends each of them a request."""
        if not providers:
            return [is_fine("providers", "none in use: the sandbox answers for every model")]
        if not is_asked:
            return list(map(describe, providers))
        return list(await asyncio.gather(*map(self._ask, providers)))

    async def _ask(self, configured: ConfiguredProvider) -> Finding:
        found = describe(configured)
        if not _address(configured):
            return found
        try:
            began_s = time.time()
            answer = await _list_models(self._pool, configured)
            took_ms = (time.time() - began_s) * 1000
            answer.abort()
        except (GatewayError, ValueError) as error:
            return is_wrong(found.check, f"{found.message}: it cannot be reached: {error}")
        return judge(found, answer, took_ms, has_proof=_has_proof(configured))


def describe(configured: ConfiguredProvider) -> Finding:
    """What can be said of a provider in use without asking it."""
    where = _address(configured) or "in this process"
    masked = mask(configured.credential)
    credential = f"{masked} from {configured.credential_source}" if masked else "no credential"
    return is_fine(f"provider {configured.name}", f"{where}, {credential}")


def judge(found: Finding, answer: Answer, took_ms: float, *, has_proof: bool) -> Finding:
    """What an answer says of a provider. `has_proof`: it was sent the credential."""
    said = f"{found.message}; it answers {answer.status} in {took_ms:.0f} ms"
    if has_proof and answer.status in (401, 403):
        return is_wrong(found.check, f"{said}: it refuses the credential")
    if answer.status >= 500 or answer.status == 429:
        return is_doubtful(found.check, f"{said}: it is unwell or busy")
    skew_s = _find_skew_s(answer)
    if abs(skew_s) > CLOCK_SKEW_S_MAX:
        return is_doubtful(found.check, f"{said}; this machine's clock is {skew_s:+.0f} s off its")
    if has_proof and answer.status == 200:
        return is_fine(found.check, f"{said}, and takes the credential")
    return is_fine(found.check, said)


def _find_skew_s(answer: Answer) -> float:
    date = dict(answer.headers).get(b"date", b"").decode("latin-1")
    try:
        return time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return 0.0


def _address(configured: ConfiguredProvider) -> str:
    if configured.provider.transport is Transport.SANDBOX:
        return ""
    return configured.base_url or configured.provider.base_url or ""


def _deploy(configured: ConfiguredProvider) -> Deployment:
    return Deployment(
        name=configured.name,
        provider=configured.provider,
        model="models",
        base_url=configured.base_url,
        credential=configured.credential,
    )


def _has_proof(configured: ConfiguredProvider) -> bool:
    """Whether the credential can be shown in a header as it is."""
    auth = configured.provider.choose_auth(configured.credential)
    return configured.credential is not None and auth not in EVERY_TIME


async def _list_models(pool: Pool, configured: ConfiguredProvider) -> Answer:
    provider = configured.provider
    base = read_base_url(_address(configured))
    path = next(iter(provider.paths.values()))
    target = base.target(b"/v1/models" if path.startswith("/v1/") else b"/models")
    headers = encode_credential(_deploy(configured))
    headers += [(name.encode(), value.encode()) for name, value in provider.headers]
    return await pool.send(base.origin, b"GET", target, headers, b"", PATIENCE)


async def _read_some(answer: Answer) -> bytes:
    """The body, if it is short; the connection is closed either way."""
    body = b""
    try:
        while (piece := await answer.read()) and len(body) < GREETING_BYTES_MAX:
            body += piece
    finally:
        answer.abort()
    return body
