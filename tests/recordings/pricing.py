"""What the recorded answers cost by our reckoning, and by that of genai-prices.

The two share nothing but the price data: usage is read by our dialects here and by the extractors
of genai-prices there, the card is ours here and its own table there, for the moment in which the
answer was given. `python -m tests.recordings.pricing` writes the table in docs/pricing.md; what
differs is explained in `pricing_known.toml`.
"""

import datetime
import email.utils
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import msgspec
from genai_prices.data import providers
from genai_prices.types import Provider as PriceProvider
from tests.recordings.exchanges import Exchange, classify, decode_exchange, read_lines
from tests.recordings.recorded import FOLDER

from nagara.billing import price
from nagara.catalogue.rates import read_cards
from nagara.dialects.codec import Target
from nagara.domain.abilities import Abilities
from nagara.domain.catalog import Operation
from nagara.domain.events import UsageReported
from nagara.domain.rates import RateCard, find_rate_card
from nagara.domain.usage import Usage
from nagara.operations import ENDPOINTS, Endpoint
from nagara.operations.conversation import DIALECTS

KNOWN = Path(__file__).with_name("pricing_known.toml")
PAGE = Path(__file__).parents[2] / "docs" / "pricing.md"
BEGIN, END = "<!-- recorded -->\n", "<!-- /recorded -->\n"
EVENT_BYTES_MAX = 2**24
CONVERSE_USAGE = re.compile(rb'"usage":(\{[^{}]*(?:\[[^\]]*\][^{}]*|\{[^{}]*\}[^{}]*)*\})')
NANO_PER_DOLLAR = 10**9

# Recordings -> whose price list they are under; the rest are called alike.
LISTS = {
    "bedrock": "aws",
    "bedrock-mantle": "aws",
    "vertex": "google",
    "voyage": "voyageai",
    "huggingface": "huggingface_together",
}
FLAVORS = {"chat": "chat", "responses": "responses", "messages": "default"}
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/{model}:generateContent",
}
BY_ID: Mapping[str, PriceProvider] = {provider.id: provider for provider in providers}
TARGET = Target(
    provider="recorded", model="m", maker="m", abilities=Abilities(), traits=frozenset()
)


class Priced(msgspec.Struct, frozen=True):
    """One answer with both reckonings, in nano-dollars."""

    case: str
    api: str
    model: str
    usage: Usage
    ours_nano: int
    theirs_nano: int


def read_dated(folder: Path = FOLDER) -> Iterator[tuple[Exchange, float]]:
    """Every generation that succeeded, with the moment of its answer."""
    for file in sorted(folder.glob("*.jsonl.gz")):
        api = file.name.removesuffix(".jsonl.gz")
        for number, line in enumerate(read_lines(file)):
            wire, _ = classify(line)
            if wire is not None and line["response"]["status"] == 200:
                yield decode_exchange(f"{api}-{number:04d}", api, wire, line), date_of(line)


def date_of(line: Mapping[str, Any]) -> float:
    """The answer's `date`; of one without, the day on which the price data was taken."""
    for name, value in line["response"]["headers"].items():
        if name.lower() == "date":
            text = value[0] if isinstance(value, list) else value
            return email.utils.parsedate_to_datetime(text).timestamp()
    return 1_795_392_000.0


def find_endpoint(exchange: Exchange) -> Endpoint | None:
    path = PATHS.get(exchange.wire)
    return None if path is None else ENDPOINTS[path]


def meter_forwarded(exchange: Exchange) -> Usage | None:
    """The usage that the pass-through lane reads."""
    endpoint = find_endpoint(exchange)
    if endpoint is None:
        return None
    if not exchange.is_stream:
        return endpoint.read_usage(exchange.body)
    assert endpoint.forward_stream is not None
    stream = endpoint.forward_stream(EVENT_BYTES_MAX, None, hides_usage=False)
    stream.feed(exchange.body)
    return stream.usage


def meter_translated(exchange: Exchange) -> Usage | None:
    """The usage that the translated lane reads."""
    wire = exchange.wire.upper()
    operation = Operation.GENERATE_CONTENT if wire == "GEMINI" else Operation[wire]
    dialect = DIALECTS[operation]
    if not exchange.is_stream:
        return dialect.decode_response(exchange.body, TARGET).usage
    decoder = dialect.decode_stream(EVENT_BYTES_MAX, TARGET)
    events = [*decoder.feed(exchange.body), *decoder.close()]
    found = [event.usage for event in events if isinstance(event, UsageReported)]
    return found[-1] if found else None


def price_recorded() -> tuple[list[Priced], Counter[tuple[str, str]]]:
    """Both reckonings of every answer with usage, and why the others have none."""
    priced: list[Priced] = []
    left_out: Counter[tuple[str, str]] = Counter()
    for exchange, at_s in read_dated():
        usage = meter_forwarded(exchange) or meter_translated(exchange)
        if usage is None:
            left_out[exchange.api, "no usage in the answer"] += 1
            continue
        found = price_both(exchange, usage, at_s)
        if isinstance(found, str):
            left_out[exchange.api, found] += 1
        else:
            priced.append(found)
    return priced, left_out


def price_both(exchange: Exchange, usage: Usage, at_s: float) -> Priced | str:
    """Both reckonings, or why there are none."""
    prices = BY_ID.get(LISTS.get(exchange.api, exchange.api))
    if prices is None:
        return "its provider has no price list"
    answer = join_answer(exchange)
    name = model_of(exchange, answer)
    info, card = prices.find_model(name.lower()), find_card(prices, name, at_s)
    if info is None or card is None:
        return f"no price for {name}"
    theirs = extract(prices, exchange, answer)
    if theirs is None:
        return "genai-prices cannot read its usage"
    when = datetime.datetime.fromtimestamp(at_s, datetime.UTC)
    try:
        total = info.calc_price(theirs, prices, genai_request_timestamp=when).total_price
    except ValueError:
        return "genai-prices finds the usage that it reads at odds with itself"
    return Priced(
        case=exchange.id,
        api=exchange.api,
        model=name,
        usage=usage,
        ours_nano=price(
            usage,
            card,
            service_tier=usage.service_tier,
            find_card=lambda model: find_card(prices, model, at_s),
        ).amount_nano,
        theirs_nano=int((total * NANO_PER_DOLLAR).to_integral_value(ROUND_CEILING)),
    )


def find_card(prices: PriceProvider, name: str, at_s: float) -> RateCard | None:
    """The card of a model of the provider's, in force at that moment."""
    info = prices.find_model(name.lower())
    return None if info is None else find_rate_card(read_cards(info), at_s)


def extract(prices: PriceProvider, exchange: Exchange, answer: Mapping[str, Any]) -> Any:
    """The usage that genai-prices reads from the answer; None if it cannot."""
    flavors = {extractor.api_flavor for extractor in prices.extractors or ()}
    flavor = FLAVORS.get(exchange.wire, "default")
    try:
        found = prices.extract_usage(answer, api_flavor=flavor if flavor in flavors else "default")
    except (ValueError, TypeError):
        return None
    return found[1]


def model_of(exchange: Exchange, answer: Mapping[str, Any]) -> str:
    """The model as the answer calls it, or else as it was asked for."""
    in_path = re.search(r"/models?/([^/:]+)", exchange.path)
    asked = (exchange.request or {}).get("model") or (in_path[1] if in_path else "")
    return str(answer.get("model") or answer.get("modelVersion") or asked)


def join_answer(exchange: Exchange) -> dict[str, Any]:
    """The answer as one object, for a reader that knows no streams: usage and model are enough."""
    if not exchange.is_stream:
        return dict(json.loads(exchange.body))
    if "eventstream" in exchange.media_type:
        found = CONVERSE_USAGE.findall(exchange.body)
        return {"usage": json.loads(found[-1])} if found else {}
    return join_events(list(read_events(exchange.body)))


def read_events(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.decode(errors="replace").splitlines():
        if line.startswith("data:") and line[5:].strip().startswith("{"):
            yield json.loads(line[5:])


def join_events(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for event in events:
        for said in (event, event.get("message"), event.get("response"), event.get("x_groq")):
            if not isinstance(said, dict):
                continue
            for name in ("model", "modelVersion", "usageMetadata"):
                joined[name] = said.get(name) or joined.get(name)
            if isinstance(said.get("usage"), dict):
                joined["usage"] = (joined.get("usage") or {}) | said["usage"]
    return {name: value for name, value in joined.items() if value is not None}


def read_known() -> dict[str, str]:
    """Why an answer's charge differs, by case."""
    entries = tomllib.loads(KNOWN.read_text())["difference"]
    return {case: entry["reason"] for entry in entries for case in entry["cases"]}


def render(priced: Iterable[Priced], known: Mapping[str, str]) -> str:
    """The table of docs/pricing.md."""
    rows = list(priced)
    lines = ["| recordings | answers | equal | explained |", "|---|---|---|---|"]
    for api in sorted({row.api for row in rows}):
        of_api = [row for row in rows if row.api == api]
        equal = sum(row.ours_nano == row.theirs_nano for row in of_api)
        lines.append(f"| {api} | {len(of_api)} | {equal} | {len(of_api) - equal} |")
    lines += ["", "| answer | model | ours, $ | genai-prices, $ | why |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.case} | {row.model} | {dollars(row.ours_nano)} | {dollars(row.theirs_nano)} "
        f"| {known.get(row.case, 'UNEXPLAINED')} |"
        for row in rows
        if row.ours_nano != row.theirs_nano
    ]
    return "\n".join(lines) + "\n"


def dollars(amount_nano: int) -> str:
    return f"{Decimal(amount_nano) / NANO_PER_DOLLAR:.9f}"


def main() -> None:
    """Write the table between its marks."""
    priced, left_out = price_recorded()
    for (api, reason), count in sorted(left_out.items()):
        print(f"{api}: {count} left out: {reason}")
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + render(priced, read_known()) + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
