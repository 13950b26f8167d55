"""Every setting of the gateway, in one table.

The fields of `Settings` are the table: each has its name, its type, its default and a `Row` with
the TOML section, the help, the range, and whether a reload applies it. The TOML reader, the
environment (`NAGARA_` and the name in capitals), the example file and the documentation are all
made from it, so a setting is added here and nowhere else. A name ends in its unit.
"""

import typing
from collections.abc import Mapping
from typing import Annotated

import msgspec

from nagara.domain.limits import RATE_MAX
from nagara.domain.money import parse_dollars

ENVIRONMENT_PREFIX = "NAGARA_"
CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"
SECRET_VARIABLE = ENVIRONMENT_PREFIX + "SECRET"
OTHER_VARIABLES = (CONFIG_VARIABLE, SECRET_VARIABLE)
"""Variables with our prefix that are no settings: the file's path, and the secret of the keys."""
SECTIONS: Mapping[str, str] = {
    "server": "Where it listens, and what it takes from clients.",
    "upstream": "How providers are called.",
    "media": "Files that a request gives by their addresses, where the provider does not fetch them.",
    "storage": "Where everything is kept.",
    "keys": "Keys and accounts.",
    "billing": "What is held for a call, and how it is booked.",
    "limits": "How fast keys, accounts and addresses may call. Keys and accounts can have limits of their own.",
    "responses": "Responses that are kept, and those made in the background.",
    "log": "What it writes about its work.",
    "config": "This configuration itself.",
}
UNITS: Mapping[str, str] = {
    "bytes": "bytes",
    "days": "days",
    "ms": "milliseconds",
    "s": "seconds",
    "usd": "US dollars",
}

SettingValue = str | int | float | bool | tuple[str, ...]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What the table says of one setting, apart from its name, type and default.

    `at_least` and `at_most` bound a number. `is_live` if a reload applies it without a restart.
    `schemes` are what an address may begin with; it may hold a password, so it is never shown.
    """

    section: str
    help: str
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()
    is_live: bool = False
    is_dollars: bool = False
    schemes: tuple[str, ...] = ()
    is_networks: bool = False


def _server(help_: str, at_least: float | None = None, at_most: float | None = None) -> Row:
    return Row(section="server", help=help_, at_least=at_least, at_most=at_most)


def _upstream(help_: str, at_least: float | None = None, at_most: float | None = None) -> Row:
    return Row(section="upstream", help=help_, at_least=at_least, at_most=at_most)


def _storage(help_: str, at_least: float, at_most: float) -> Row:
    return Row(section="storage", help=help_, at_least=at_least, at_most=at_most)


def _media(help_: str, at_least: float, at_most: float) -> Row:
    return Row(section="media", help=help_, at_least=at_least, at_most=at_most)


def _limit(help_: str, at_most: float) -> Row:
    return Row(section="limits", help=help_, at_least=0, at_most=at_most, is_live=True)


def _responses(help_: str, at_least: float, at_most: float) -> Row:
    return Row(section="responses", help=help_, at_least=at_least, at_most=at_most)


def _billing(help_: str, at_least: float, at_most: float) -> Row:
    return Row(section="billing", help=help_, at_least=at_least, at_most=at_most)


DAY_S = 86_400
MIB = 2**20
BODY_BYTES_LIMIT = 2**32
COUNT_LIMIT = 1_000_000
FREE_REQUESTS_LIMIT = 10_000


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings with their values. Build one with `load_config`, or `Settings()` in a test."""

    # fmt: off
    host: Annotated[str, _server("The address to listen on. Only this machine can reach the default.")] = "127.0.0.1"
    port: Annotated[int, _server("The port to listen on; 0 takes a free one.", 0, 65_535)] = 8080
    data: Annotated[str, _server("The folder of the database; empty for ./data if a gateway began there, else $XDG_DATA_HOME/nagara or ~/.local/share/nagara.")] = ""
    workers: Annotated[int, _server("How many processes serve on that address.", 1, 256)] = 1
    body_bytes_max: Annotated[int, _server("The largest request body.", 1024, BODY_BYTES_LIMIT)] = 32 * MIB
    upload_bytes_max: Annotated[int, _server("The largest form with images or audio; its files are put on the disk, not into memory.", 1024, BODY_BYTES_LIMIT)] = 128 * MIB
    header_bytes_max: Annotated[int, _server("The largest request head.", 1024, 16 * MIB)] = 65_536
    header_count_max: Annotated[int, _server("The most headers in a request.", 8, 10_000)] = 100
    form_parts_max: Annotated[int, Row(section="server", help="The most parts of a form with images or audio.", at_least=1, at_most=10_000, is_live=True)] = 128
    form_header_bytes_max: Annotated[int, Row(section="server", help="The most that the headers of one part of a form may take.", at_least=256, at_most=MIB, is_live=True)] = 4096
    head_timeout_s: Annotated[float, _server("How long a client may take to send the head.", 0.01, DAY_S)] = 10.0
    body_timeout_s: Annotated[float, _server("The longest pause between two pieces of a request body.", 0.01, DAY_S)] = 15.0
    body_total_timeout_s: Annotated[float, _server("How long a client may take for the whole body.", 0.01, DAY_S)] = 120.0
    keep_alive_s: Annotated[float, _server("How long an idle connection of a client is kept.", 0, DAY_S)] = 75.0
    requests_in_flight_max: Annotated[int, _server("More requests than this at once are answered 503.", 1, COUNT_LIMIT)] = 1000
    overload_retry_after_s: Annotated[int, _server("The retry-after of that answer.", 1, DAY_S)] = 1
    shutdown_grace_s: Annotated[float, _server("How long running streams may go on after SIGTERM.", 0, DAY_S)] = 25.0
    drain_on_disconnect: Annotated[bool, _server("When a client leaves, read the provider's answer to its end to learn the usage, instead of stopping it.")] = False
    drain_bytes_max: Annotated[int, _server("The most that is read on for a client that left.", 0, BODY_BYTES_LIMIT)] = 16 * MIB
    drain_timeout_s: Annotated[float, _server("The longest that is read on for a client that left.", 0, DAY_S)] = 60.0
    trusted_proxies: Annotated[tuple[str, ...], Row(section="server", help="Addresses or networks of proxies whose x-forwarded-for says which address a client has.", is_networks=True)] = ("127.0.0.1", "::1")
    public_url: Annotated[str, Row(section="server", help="Where callers reach this gateway, such as https://ai.example, for links to images; empty for http and the host that they ask.", is_live=True)] = ""
    image_keep_s: Annotated[int, _server("How long an image that an answer links to is kept; 0 keeps none, and gives base64 instead.", 0, 30 * DAY_S)] = 3600
    image_files_bytes_max: Annotated[int, _server("How much disk such images may take; beyond it answers give base64 instead.", 0, 2**44)] = 1024 * MIB
    allowed_origins: Annotated[tuple[str, ...], _server("Web origins whose pages may call, such as https://app.example; keys do not belong in browsers.")] = ()

    connect_timeout_s: Annotated[float, _upstream("How long a connection may take, TLS included.", 0.01, DAY_S)] = 10.0
    first_byte_timeout_s: Annotated[float, _upstream("How long a provider may take to begin its answer; models think long.", 0.01, DAY_S)] = 600.0
    idle_timeout_s: Annotated[float, _upstream("The longest pause within an answer.", 0.01, DAY_S)] = 300.0
    total_timeout_s: Annotated[float, _upstream("How long an answer may take in all.", 0.01, DAY_S)] = 1800.0
    connections_per_origin_max: Annotated[int, _upstream("The most connections to one provider.", 1, COUNT_LIMIT)] = 1000
    connections_waiting_max: Annotated[int, _upstream("The most requests that wait for such a connection.", 0, COUNT_LIMIT)] = 1000
    connection_wait_s: Annotated[float, _upstream("How long one of them waits.", 0.01, DAY_S)] = 10.0
    idle_connection_expiry_s: Annotated[float, _upstream("How long an idle connection to a provider is kept.", 0, DAY_S)] = 60.0
    response_head_bytes_max: Annotated[int, _upstream("The largest head of an answer.", 1024, 16 * MIB)] = 65_536
    response_header_count_max: Annotated[int, _upstream("The most headers in an answer.", 8, 10_000)] = 100
    response_bytes_max: Annotated[int, _upstream("The largest answer that is not a stream.", 1024, BODY_BYTES_LIMIT)] = 64 * MIB
    event_bytes_max: Annotated[int, _upstream("The largest event in a stream.", 1024, BODY_BYTES_LIMIT)] = 16 * MIB
    stream_buffer_bytes_high: Annotated[int, _upstream("With this much waiting for a slow client, the provider is not read.", 1024, BODY_BYTES_LIMIT)] = 262_144
    kept_turns_bytes_max: Annotated[int, _upstream("How much memory may hold answers' signed reasoning and provider-run tools for callers who cannot send them back; 0 keeps none.", 0, BODY_BYTES_LIMIT)] = 64 * MIB
    attempts_max: Annotated[int, Row(section="upstream", help="The most attempts for one request.", at_least=1, at_most=100, is_live=True)] = 3
    ca_bundle: Annotated[str, _upstream("A PEM file of the certificate authorities to trust; empty for the system's.")] = ""
    trust_proxy_environment: Annotated[bool, _upstream("Go through HTTPS_PROXY and HTTP_PROXY, except for NO_PROXY.")] = True
    discover_local_servers: Annotated[tuple[str, ...], _upstream("Local model servers to look for at start, such as ollama.")] = ()

    discovery_timeout_s: Annotated[float, _upstream("How long they have to answer.", 0.01, 60)] = 0.5

    fetch_files_max: Annotated[int, _media("The most files that are fetched for one request; 0 fetches none.", 0, 1000)] = 20
    fetch_file_bytes_max: Annotated[int, _media("The largest file that is fetched.", 1024, 2**30)] = 20 * MIB
    fetch_request_bytes_max: Annotated[int, _media("The most that all files of one request may have together.", 1024, BODY_BYTES_LIMIT)] = 48 * MIB
    fetch_timeout_s: Annotated[float, _media("How long all files of one request may take together.", 0.01, DAY_S)] = 30.0
    fetch_redirects_max: Annotated[int, _media("The most redirects on the way to a file.", 0, 100)] = 5
    fetch_at_once_max: Annotated[int, _media("How many files of one request are fetched at once.", 1, 100)] = 4
    fetch_plain_http: Annotated[bool, Row(section="media", help="Fetch from http:// too, which anybody on the way can read and change.")] = False
    fetch_networks_allowed: Annotated[tuple[str, ...], Row(section="media", help="Networks that files may be fetched from although they are not public.", is_networks=True)] = ()

    database_url: Annotated[str, Row(section="storage", help="The PostgreSQL database, such as postgresql://user:password@host/nagara; empty for an SQLite file in the data folder.", schemes=("postgresql://", "postgres://"))] = ""
    storage_connect_timeout_s: Annotated[float, _storage("How long a connection to PostgreSQL may take.", 1, 600)] = 5.0
    storage_timeout_s: Annotated[float, _storage("How long PostgreSQL may take for one round trip of statements.", 0.1, 600)] = 10.0
    storage_readers_max: Annotated[int, _storage("The most connections to PostgreSQL that only read; two more write and listen.", 1, 1000)] = 4
    storage_reads_waiting_max: Annotated[int, _storage("The most reads that wait for one of them.", 1, COUNT_LIMIT)] = 1000
    storage_commits_waiting_max: Annotated[int, _storage("The most commits that wait to be written to PostgreSQL.", 1, COUNT_LIMIT)] = 10_000

    opening_grant_usd: Annotated[str, Row(section="keys", help="What the account default opens with, as decimal text.", is_dollars=True)] = "100"
    key_check_ms: Annotated[int, Row(section="keys", help="How often changed keys are looked for in the database.", at_least=10, at_most=60_000)] = 200
    storage_stale_s: Annotated[float, Row(section="keys", help="How long the keys last read are trusted while the database cannot be read; then 503.", at_least=0, at_most=DAY_S, is_live=True)] = 1.0

    storage_patience_s: Annotated[float, _billing("How long a call waits for the database to hold or book its money; then 503, or the charge is kept on the local disk.", 0.05, 60)] = 3.0
    hold_lease_s: Annotated[float, _billing("How long after its last sign of life a process counts as dead, and what it held is given back.", 1, DAY_S)] = 30.0
    context_tokens_assumed: Annotated[int, _billing("Input held for where it cannot be seen and the model's context is not known, in tokens.", 1, 1_000_000_000)] = 1_048_576
    output_tokens_assumed: Annotated[int, _billing("Output held for where neither the caller nor the catalogue names a cap, in tokens.", 1, 1_000_000_000)] = 131_072
    unpriced_models: Annotated[str, Row(section="billing", help="A model that has no price, or none for what a call may use of it: refuse the call, or let it be free.", choices=("refuse", "free"))] = "refuse"
    useful_output_tokens_min: Annotated[int, _billing("The least output that a call is lowered to when the balance cannot pay more.", 1, 1_000_000)] = 16

    idempotency_keep_s: Annotated[int, _billing("How long the answer to an Idempotency-Key is kept, to be given again.", 1, 30 * DAY_S)] = DAY_S
    idempotency_answer_bytes_max: Annotated[int, _billing("The largest answer that is kept for that.", 1024, BODY_BYTES_LIMIT)] = 16 * MIB
    idempotency_key_bytes_max: Annotated[int, _billing("The longest Idempotency-Key.", 16, 1024)] = 255
    idempotency_wait_s: Annotated[float, _billing("How long a request waits for an earlier one with its Idempotency-Key that still runs; then 409.", 0, DAY_S)] = 300.0

    key_requests_per_minute_max: Annotated[int, _limit("The most requests a minute of a key; 0 for no limit.", RATE_MAX)] = 0
    key_tokens_per_minute_max: Annotated[int, _limit("The most tokens a minute, in and out, of a key; 0 for no limit.", RATE_MAX)] = 0
    key_requests_in_flight_max: Annotated[int, _limit("The most requests of a key that run at once; 0 for no limit.", RATE_MAX)] = 0
    account_requests_per_minute_max: Annotated[int, _limit("The most requests a minute of an account, with all its keys; 0 for no limit.", RATE_MAX)] = 0
    account_tokens_per_minute_max: Annotated[int, _limit("The most tokens a minute of an account; 0 for no limit.", RATE_MAX)] = 0
    account_requests_in_flight_max: Annotated[int, _limit("The most requests of an account that run at once; 0 for no limit.", RATE_MAX)] = 0
    free_requests_per_minute_max: Annotated[int, _limit("The most requests of an account within any minute to models in ':free', all together; 0 for no limit.", FREE_REQUESTS_LIMIT)] = 10
    free_requests_per_day_max: Annotated[int, _limit("The same within any 24 hours.", FREE_REQUESTS_LIMIT)] = 100
    failed_keys_per_minute_max: Annotated[int, _limit("How often an address (an IPv6 /64) may fail to authenticate a minute; 0 for no limit. Good keys pass all the same.", COUNT_LIMIT)] = 60

    responses_retention_days: Annotated[int, _responses("How long responses are kept for previous_response_id and retrieval; 0 keeps none.", 0, 3650)] = 30
    stored_response_bytes_max: Annotated[int, _responses("A response that is larger than this, with its conversation, is not kept.", 1024, BODY_BYTES_LIMIT)] = 16 * MIB
    stored_waiting_bytes_max: Annotated[int, _responses("How much may wait to be written while the database is slow or down.", 1024, BODY_BYTES_LIMIT)] = 64 * MIB
    background_running_max: Annotated[int, _responses("More background responses than this at once are answered 503.", 0, COUNT_LIMIT)] = 100
    background_events_bytes_max: Annotated[int, _responses("The largest stream of a background response, all its events together.", 1024, BODY_BYTES_LIMIT)] = 64 * MIB

    log_format: Annotated[str, Row(section="log", help="human, json, or auto: human on a terminal.", choices=("auto", "human", "json"))] = "auto"
    log_level: Annotated[str, Row(section="log", help="The least severe lines that are written.", choices=("debug", "info", "warning", "error"))] = "info"

    config_check_s: Annotated[float, Row(section="config", help="How often the configuration file is looked at for changes; 0 for never.", at_least=0, at_most=DAY_S)] = 0.25
    # fmt: on

    def __repr__(self) -> str:
        # The address of the database may hold a password.
        return "Settings(…)"

    @property
    def opening_grant_nano(self) -> int:
        """`opening_grant_usd` in nano-dollars."""
        return parse_dollars(self.opening_grant_usd)


class Setting(msgspec.Struct, frozen=True):
    """One line of the table, with the name, type and default that the field of `Settings` has."""

    name: str
    type: type | object
    default: SettingValue
    row: Row

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def unit(self) -> str:
        """Its unit in words, read from its name; empty for a plain number or text."""
        return next((UNITS[part] for part in self.name.split("_") if part in UNITS), "")

    @property
    def allowed(self) -> str:
        """What values it takes, for people: `"a whole number, 0 to 65535"`."""
        row, unit = self.row, f" of {self.unit}" if self.unit else ""
        if row.choices:
            return " or ".join(f'"{choice}"' for choice in row.choices)
        if row.schemes:
            return f"an address that begins with {' or '.join(row.schemes)}"
        if row.is_dollars:
            return 'US dollars as decimal text, such as "12.50"'
        if row.is_networks:
            return "a list of addresses or networks, such as 10.0.0.0/8"
        if self.type in (int, float):
            kind = "a whole number" if self.type is int else "a number"
            return f"{kind}{unit}, {row.at_least:.12g} to {row.at_most:.12g}"
        return {bool: "true or false", str: "text"}.get(
            typing.cast(type, self.type), "a list of text"
        )


def read_table() -> Mapping[str, Setting]:
    """The table, by name, in its own order."""
    hints = typing.get_type_hints(Settings, include_extras=True)
    fields = msgspec.structs.fields(Settings)
    annotations = {name: typing.get_args(hint) for name, hint in hints.items()}
    return {
        field.name: Setting(field.name, annotations[field.name][0], field.default, row)
        for field in fields
        for row in annotations[field.name][1:]
    }


TABLE = read_table()
