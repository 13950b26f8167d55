"""The parts of a gateway that are made from its settings alone: limits, the log, the client.

One function a part. A setting that some part takes under another name, or in another unit, is
translated here and nowhere else.
"""

import logging
import sys
from collections.abc import Mapping

import msgspec

from nagara import __version__
from nagara.admitted import PipelineLimits
from nagara.billing import BoundLimits
from nagara.idempotency.once import IdempotencyLimits
from nagara.media.fetching import Fetcher, FetchLimits
from nagara.observe.log import Log, LogHandler
from nagara.operations.forms import FormLimits
from nagara.responses.background import BackgroundLimits
from nagara.responses.keeper import KeeperLimits
from nagara.runtime import Clock
from nagara.settings import DAY_S, Settings
from nagara.upstream.bounds import PoolLimits, Timeouts
from nagara.upstream.one_off import OneOffClient, OneOffLimits
from nagara.upstream.pool import Pool
from nagara.upstream.proxy import ProxySettings, read_proxy_settings
from nagara.upstream.public_addresses import read_networks
from nagara.upstream.tls import TlsSettings
from nagara.web.bounds import ConnectionLimits
from nagara.web.inference import InferenceLimits
from nagara.web.server import ServerLimits


def make_log(settings: Settings, environment: Mapping[str, str]) -> Log:
    """The log, with the standard library's loggers led into it."""
    is_terminal = sys.stderr.isatty()
    log = Log(
        sys.stderr.buffer,
        is_json=settings.log_format == "json"
        or (settings.log_format == "auto" and not is_terminal),
        level=logging.getLevelName(settings.log_level.upper()),
        # https://no-color.org
        is_coloured=is_terminal
        and not environment.get("NO_COLOR")
        and environment.get("TERM") != "dumb",
        encoding=sys.stderr.encoding,
    )
    root = logging.getLogger()
    root.handlers = [LogHandler(log)]
    root.setLevel(logging.INFO)
    # What clients do wrong is answered, and is no news to the operator.
    for name in ("uvicorn.error", "python_multipart"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return log


def make_pool(settings: Settings, environment: Mapping[str, str], clock: Clock) -> Pool:
    """The client for providers. Raises `ValueError` for a CA bundle or proxy that is no such."""
    trusts = settings.trust_proxy_environment
    proxies = read_proxy_settings(environment) if trusts else ProxySettings()
    return Pool(read_pool_limits(settings), TlsSettings(settings.ca_bundle or None), proxies, clock)


def read_pool_limits(settings: Settings) -> PoolLimits:
    """The settings, as the client for providers takes them."""
    return PoolLimits(
        connections_per_origin_max=settings.connections_per_origin_max,
        waiting_max=settings.connections_waiting_max,
        wait_s=settings.connection_wait_s,
        idle_expiry_s=settings.idle_connection_expiry_s,
        head_bytes_max=settings.response_head_bytes_max,
        header_count_max=settings.response_header_count_max,
        buffer_bytes_high=settings.stream_buffer_bytes_high,
        body_bytes_max=None,
    )


def make_fetcher(settings: Settings, environment: Mapping[str, str], clock: Clock) -> Fetcher:
    """Who fetches files. Raises `ValueError` as `make_pool` does."""
    trusts = settings.trust_proxy_environment
    timeouts = Timeouts(
        connect_s=settings.connect_timeout_s,
        first_byte_s=settings.fetch_timeout_s,
        idle_s=settings.fetch_timeout_s,
        total_s=settings.fetch_timeout_s,
    )
    pool = msgspec.structs.replace(
        read_pool_limits(settings), body_bytes_max=settings.fetch_file_bytes_max
    )
    networks = read_networks(settings.fetch_networks_allowed)
    client = OneOffClient(
        OneOffLimits(pool=pool, timeouts=timeouts, networks_allowed=networks),
        TlsSettings(settings.ca_bundle or None),
        read_proxy_settings(environment) if trusts else ProxySettings(),
        clock,
        f"nagara/{__version__}".encode(),
    )
    limits = FetchLimits(
        files_max=settings.fetch_files_max,
        file_bytes_max=settings.fetch_file_bytes_max,
        files_bytes_max=settings.fetch_request_bytes_max,
        redirects_max=settings.fetch_redirects_max,
        timeout_s=settings.fetch_timeout_s,
        at_once_max=settings.fetch_at_once_max,
        allows_http=settings.fetch_plain_http,
    )
    return Fetcher(client, limits)


def read_timeouts(settings: Settings) -> Timeouts:
    """The settings, as the upstream client takes them."""
    return Timeouts(
        connect_s=settings.connect_timeout_s,
        first_byte_s=settings.first_byte_timeout_s,
        idle_s=settings.idle_timeout_s,
        total_s=settings.total_timeout_s,
    )


def read_pipeline_limits(settings: Settings) -> PipelineLimits:
    """The settings, as the pipeline takes them."""
    return PipelineLimits(
        attempts_max=settings.attempts_max,
        event_bytes_max=settings.event_bytes_max,
        response_bytes_max=settings.response_bytes_max,
        public_url=settings.public_url,
        forms=FormLimits(
            parts_max=settings.form_parts_max, header_bytes_max=settings.form_header_bytes_max
        ),
        bounds=BoundLimits(
            context_tokens=settings.context_tokens_assumed,
            output_tokens=settings.output_tokens_assumed,
            useful_output_tokens=settings.useful_output_tokens_min,
            is_unpriced_free=settings.unpriced_models == "free",
        ),
    )


def read_keeper_limits(settings: Settings) -> KeeperLimits:
    """The settings, as the keeper of responses takes them."""
    return KeeperLimits(
        retention_s=settings.responses_retention_days * DAY_S,
        response_bytes_max=settings.stored_response_bytes_max,
        pending_bytes_max=settings.stored_waiting_bytes_max,
    )


def read_background_limits(settings: Settings) -> BackgroundLimits:
    """The settings, as background responses take them."""
    return BackgroundLimits(
        runs_max=settings.background_running_max,
        event_bytes_max=settings.event_bytes_max,
        events_bytes_max=settings.background_events_bytes_max,
    )


def read_idempotency_limits(settings: Settings) -> IdempotencyLimits:
    """The settings, as calls with idempotency keys take them."""
    return IdempotencyLimits(
        key_bytes_max=settings.idempotency_key_bytes_max,
        answer_bytes_max=settings.idempotency_answer_bytes_max,
        keep_s=settings.idempotency_keep_s,
        wait_s=settings.idempotency_wait_s,
        patience_s=settings.storage_patience_s,
    )


def read_edge_limits(settings: Settings) -> InferenceLimits:
    """The settings, as the edge takes them."""
    return InferenceLimits(
        body_bytes_max=settings.body_bytes_max,
        upload_bytes_max=settings.upload_bytes_max,
        requests_in_flight_max=settings.requests_in_flight_max,
        overload_retry_after_s=settings.overload_retry_after_s,
        drain_timeout_s=settings.drain_timeout_s if settings.drain_on_disconnect else 0.0,
        drain_bytes_max=settings.drain_bytes_max,
    )


def read_server_limits(settings: Settings) -> ServerLimits:
    """The settings, as the server takes them."""
    connection = ConnectionLimits(
        header_bytes_max=settings.header_bytes_max,
        header_count_max=settings.header_count_max,
        head_timeout_s=settings.head_timeout_s,
        body_timeout_s=settings.body_timeout_s,
        body_total_timeout_s=settings.body_total_timeout_s,
        keep_alive_s=settings.keep_alive_s,
    )
    return ServerLimits(
        connection=connection,
        shutdown_grace_s=settings.shutdown_grace_s,
    )
