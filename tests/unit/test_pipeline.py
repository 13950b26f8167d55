"""The life of a request: who is admitted, what is tried, what is sent and noted."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nagara.access import issue_key
from nagara.admitted import Admitted, PipelineLimits
from nagara.dialects.addresses import FetchedFile, Wanted
from nagara.dialects.media_types import FileType
from nagara.domain.catalog import (
    Account,
    Catalogue,
    Deployment,
    Key,
    KeyKind,
    Model,
    Route,
    Secret,
    Snapshot,
)
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.limits import AS_SETTINGS_SAY, RateLimits
from nagara.domain.messages import MediaKind
from nagara.domain.money import NANO_PER_DOLLAR
from nagara.domain.rates import RateCard
from nagara.domain.usage import Meter
from nagara.limits.gate import Gate
from nagara.limits.memory import MemoryLimiter
from nagara.limits.rules import LimitSettings
from nagara.observe.observations import AttemptFailed, Observation, RequestEnded
from nagara.operations import ENDPOINTS
from nagara.operations.lanes import Lane
from nagara.pipeline import Pipeline
from nagara.providers import PROVIDERS, SANDBOX
from nagara.runtime import make_id
from nagara.settlement import Settlements
from nagara.storage.claims import Claim
from nagara.storage.driver import StorageError
from nagara.storage.kept_files import KeptFiles
from nagara.storage.ledger import Shortage
from nagara.storage.ledger_statements import Hold, Settlement
from nagara.storage.snapshots import Snapshots
from nagara.storage.turns import KeptTurns
from nagara.upstream.attempt import Begun, Call, Upstreams
from tests.fakes import FakeAnswer, FakeClock, FakeReply

PEPPER = b"p" * 32
CHAT = ENDPOINTS["/v1/chat/completions"]
DOLLAR_A_TOKEN = 10**12
PRICES = (RateCard(rates_pico={Meter.INPUT: 0, Meter.OUTPUT: DOLLAR_A_TOKEN}),)
MODEL = Model(
    id="mini",
    startup="openai",
    display_name="Mini",
    aliases=("small",),
    output_tokens_max=10,
    prices=PRICES,
)
USAGE = {"prompt_tokens": 1, "completion_tokens": 2}
ANSWER = json.dumps({"model": "theirs", "choices": [], "usage": USAGE}).encode()
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


def deployment(name: str, priority: int = 0, model: str = "mini") -> Deployment:
    credential = Secret(f"sk-{name}")
    return Deployment(
        name=name,
        provider=PROVIDERS["openai"],
        model=model,
        credential=credential,
        priority=priority,
    )


REQUEST: dict[str, Any] = {"model": "mini", "messages": [{"role": "user", "content": "Hi"}]}


class Keys:
    """A key of each kind and condition, with its secret."""

    def __init__(self) -> None:
        self.by_digest: dict[bytes, Key] = {}
        self.secrets: dict[str, str] = {}
        self.add("standard")
        self.add("test", KeyKind.TEST)
        self.add("provisioning", KeyKind.PROVISIONING)
        self.add("disabled", is_enabled=False)
        self.add("expired", expires_at_s=1)
        self.add("bound", allowed_models=frozenset({"other"}))
        self.add("by_alias", allowed_models=frozenset({"small"}))
        self.add("poor", account_id=2)

    def add(self, name: str, kind: KeyKind = KeyKind.STANDARD, **terms: Any) -> None:
        number = len(self.by_digest) + 1
        issued = issue_key(kind, bytes([number]) * 32, PEPPER)
        self.secrets[name] = issued.secret.reveal()
        self.by_digest[issued.digest] = Key(
            id=number,
            account_id=terms.pop("account_id", 1),
            name=name,
            kind=kind,
            digest=issued.digest,
            hint=issued.hint,
            created_at_s=0,
            **terms,
        )


KEYS = Keys()


NO_LANE: Lane = None  # type: ignore[assignment]
"""The attempt puts the true one in."""


class FakeUpstreams(Upstreams):
    """Answers or fails for each deployment as it is told, and remembers who was asked."""

    def __init__(self, **outcomes: GatewayError | Begun) -> None:
        self.outcomes = outcomes
        self.asked: list[str] = []
        self.lanes: list[Lane] = []

    async def attempt(self, call: Call, deployment: Deployment, lane: Lane) -> Begun:
        self.lanes.append(lane)
        self.asked.append(deployment.name)
        outcome = self.outcomes[deployment.name]
        if isinstance(outcome, GatewayError):
            raise outcome
        return msgspec.structs.replace(outcome, lane=lane)


def whole(*pieces: bytes | GatewayError) -> Begun:
    first, *rest = pieces or (ANSWER,)
    assert isinstance(first, bytes)
    return Begun(FakeAnswer(200, [], *rest), first, False, NO_LANE)


def streamed(*pieces: bytes | GatewayError) -> Begun:
    first, *rest = pieces
    assert isinstance(first, bytes)
    return Begun(FakeAnswer(200, [], *rest), first, True, NO_LANE)


class FakeSettlements(Settlements):
    """A ledger of two balances, which remembers what was held and settled."""

    def __init__(self, balances_nano: dict[int, int]) -> None:
        self.available_nano = balances_nano
        self.held: list[Hold] = []
        self.settled: list[Settlement] = []

    async def hold(self, hold: Hold, claim: Claim | None = None) -> Shortage | None:
        if hold.amount_nano > self.available_nano[hold.account_id]:
            return Shortage(self.available_nano[hold.account_id], None)
        self.available_nano[hold.account_id] -= hold.amount_nano
        self.held.append(hold)
        return None

    async def settle(self, settlement: Settlement) -> None:
        self.settle_later(settlement)

    def settle_later(self, settlement: Settlement) -> None:
        self.settled.append(settlement)

    def settle_free(self, make: Callable[[], Settlement]) -> None:
        self.settled.append(make())


class FakeFetcher:
    """Gives a file of its kind for every address, or fails; counts how often it is asked."""

    is_enabled = True

    def __init__(self, failure: GatewayError | None = None) -> None:
        self.failure = failure
        self.asked: list[tuple[str, ...]] = []

    async def fetch(
        self, wanted: Sequence[Wanted], known: Mapping[str, FetchedFile]
    ) -> Mapping[str, FetchedFile]:
        self.asked.append(tuple(each.url for each in wanted))
        if self.failure is not None:
            raise self.failure
        jpeg = FetchedFile(FileType(MediaKind.IMAGE, "image/jpeg"), "/9j/4AAQ")
        return {**known, **{each.url: jpeg for each in wanted}}


class Gateway:
    """A pipeline with everything around it, and what it said and sent."""

    def __init__(
        self,
        *deployments: Deployment,
        upstreams: FakeUpstreams | None = None,
        key_limits: RateLimits = AS_SETTINGS_SAY,
        attempts_max: int = 3,
        fetcher: FakeFetcher | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.said: list[Observation] = []
        self.reply = FakeReply()
        self.upstreams = upstreams or FakeUpstreams()
        self.fetcher = fetcher or FakeFetcher()
        self.ended = RequestEnded(request_id="req_1", method="POST", path=CHAT.path)
        self.settlements = FakeSettlements({1: 100 * NANO_PER_DOLLAR, 2: 5 * NANO_PER_DOLLAR})
        self.snapshots = Snapshots(
            None,  # type: ignore[arg-type]
            PEPPER,
            self.clock,
            self.said.append,
            30.0,
        )
        route = Route(MODEL, deployments or (deployment("openai"),), PRICES)
        sandbox = Route(
            MODEL, (Deployment(name="sandbox", provider=SANDBOX, model="mini"),), PRICES
        )
        self.snapshots.current = Snapshot(
            keys=KEYS.by_digest,
            accounts={
                1: Account(1, "default", 0, 100 * NANO_PER_DOLLAR),
                2: Account(2, "poor", 0, 5 * NANO_PER_DOLLAR),
            },
            catalogue=Catalogue(0, "", (MODEL,), ()),
            routes={"mini": route, "small": route},
            sandbox={"mini": sandbox, "small": sandbox},
            providers={"openai": None},  # type: ignore[dict-item]
        )
        limits = PipelineLimits(
            attempts_max=attempts_max,
            event_bytes_max=10_000,
            response_bytes_max=1000,
        )
        rates = LimitSettings(key=key_limits)
        self.pipeline = Pipeline(
            self.snapshots,
            self.upstreams,
            Gate(MemoryLimiter(self.clock), rates, self.clock, self.said.append),
            self.settlements,
            KeptTurns(0),
            KeptFiles(Path("nowhere"), 0, 0, self.clock),
            self.fetcher,
            limits,
            self.clock,
            self.said.append,
        )

    def admit(self, key: str | None = "standard", **fields: Any) -> Admitted:
        body = REQUEST | fields
        headers = [(b"x-api-key", KEYS.secrets[key].encode())] if key else []
        return self.pipeline.admit(
            CHAT,
            headers,
            b"",
            json.dumps(body).encode(),
            make_id(""),
            self.clock.monotonic_s(),
            self.ended,
        )

    async def allow(self, key: str = "standard") -> Admitted:
        """A request that has passed its limits."""
        admitted = self.admit(key)
        await admitted.allowance.take()
        return admitted

    async def serve(self, **fields: Any) -> bytes:
        """The body that was sent."""
        await self.pipeline.serve(self.admit(**fields), self.reply, self.ended)
        return self.reply.body


def refusal(gateway: Gateway, key: str | None = "standard", **fields: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        gateway.admit(key, **fields)
    return caught.value


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (None, ErrorKind.AUTHENTICATION),
        ("disabled", ErrorKind.AUTHENTICATION),
        ("expired", ErrorKind.AUTHENTICATION),
        ("provisioning", ErrorKind.AUTHENTICATION),
        ("bound", ErrorKind.PERMISSION),
    ],
)
def test_caller_who_may_not_is_refused(key: str | None, kind: ErrorKind) -> None:
    assert refusal(Gateway(), key).kind is kind


@pytest.mark.parametrize("key", ["standard", "test", "by_alias"])
@pytest.mark.parametrize("model", ["mini", "small"])
def test_caller_who_may_is_admitted(key: str, model: str) -> None:
    gateway = Gateway()
    gateway.admit(key, model=model)
    assert gateway.ended.model == model
    assert gateway.ended.key is not None
    assert KEYS.secrets[key] not in gateway.ended.key


def test_unknown_model_is_404_with_the_nearest() -> None:
    error = refusal(Gateway(), model="minni")
    assert error.kind is ErrorKind.MODEL_NOT_FOUND
    assert error.param == "model"
    assert "mini" in error.message.replace("'minni'", "")


@pytest.mark.parametrize(
    ("asked", "fits"), [({}, 5), ({"max_tokens": 6}, 5), ({"max_tokens": 3, "n": 2}, 2)]
)
async def test_who_cannot_pay_is_told_what_would_fit(asked: dict[str, int], fits: int) -> None:
    gateway = Gateway()
    with pytest.raises(GatewayError) as caught:
        await gateway.serve(key="poor", **asked)
    assert caught.value.kind is ErrorKind.INSUFFICIENT_QUOTA
    assert f"capped at {fits} tokens" in caught.value.message
    # Nobody was asked, and nothing is held.
    assert (gateway.upstreams.asked, gateway.settlements.held) == ([], [])


@pytest.mark.parametrize("asked", [{"max_tokens": 5}, {"max_tokens": 2, "n": 2}])
async def test_call_that_can_be_paid_is_held_for_and_settled_once(asked: dict[str, int]) -> None:
    gateway = Gateway(upstreams=FakeUpstreams(openai=whole()))
    await gateway.serve(key="poor", **asked)
    (hold,), (settlement,) = gateway.settlements.held, gateway.settlements.settled
    assert hold.amount_nano == asked["max_tokens"] * asked.get("n", 1) * NANO_PER_DOLLAR
    assert settlement.hold == hold
    assert settlement.record.charge_nano == USAGE["completion_tokens"] * NANO_PER_DOLLAR


async def test_call_that_fails_gives_its_hold_back() -> None:
    failure = GatewayError(ErrorKind.UPSTREAM_ERROR, "No.")
    gateway = Gateway(upstreams=FakeUpstreams(openai=failure))
    with pytest.raises(GatewayError):
        await gateway.serve(key="poor", max_tokens=5)
    (settlement,) = gateway.settlements.settled
    assert settlement.hold is not None
    assert (settlement.record.charge_nano, settlement.record.status) == (0, 502)


def test_cap_of_zero_is_a_cap() -> None:
    messages = ENDPOINTS["/v1/messages"]
    body = b'{"model":"mini","max_tokens":0,"messages":[{"role":"user","content":"Hi"}]}'
    gateway = Gateway(
        Deployment(name="anthropic", provider=PROVIDERS["anthropic"], model="mini"),
    )
    headers = [(b"x-api-key", KEYS.secrets["poor"].encode())]
    assert gateway.pipeline.admit(messages, headers, b"", body, "1", 0.0, gateway.ended)


async def test_too_fast_is_429_with_when_it_resets() -> None:
    gateway = Gateway(key_limits=RateLimits(requests_per_minute=2))
    headers = dict((await gateway.allow()).allowance.headers)
    assert headers[b"x-ratelimit-limit-requests"] == b"2"
    assert headers[b"x-ratelimit-remaining-requests"] == b"1"
    await gateway.allow()
    with pytest.raises(GatewayError) as caught:
        await gateway.allow()
    assert caught.value.kind is ErrorKind.RATE_LIMIT
    assert caught.value.retry_after_s == 30
    assert caught.value.headers["x-ratelimit-remaining-requests"] == "0"
    assert await gateway.allow("test")
    gateway.clock.advance(30)
    assert await gateway.allow()


async def test_tokens_are_taken_by_size_and_corrected_by_what_was_used() -> None:
    upstreams = FakeUpstreams(openai=whole())
    gateway = Gateway(upstreams=upstreams, key_limits=RateLimits(tokens_per_minute=1000))
    admitted = await gateway.allow()
    estimated = -(-len(json.dumps(REQUEST)) // 4)
    assert tokens_left(admitted) == 1000 - estimated
    await gateway.pipeline.serve(admitted, gateway.reply, gateway.ended)
    admitted.allowance.end()
    # The answer reported one token in and two out.
    assert tokens_left(await gateway.allow()) == 1000 - 3 - estimated


async def test_request_that_no_provider_answered_used_no_tokens() -> None:
    upstreams = FakeUpstreams(openai=failing(ErrorKind.UPSTREAM_ERROR))
    limits = RateLimits(tokens_per_minute=1000, requests_in_flight=1)
    gateway = Gateway(upstreams=upstreams, key_limits=limits)
    for _ in range(3):
        admitted = await gateway.allow()
        assert tokens_left(admitted) == 1000 - -(-len(json.dumps(REQUEST)) // 4)
        with pytest.raises(GatewayError, match="Tried"):
            await gateway.pipeline.serve(admitted, gateway.reply, gateway.ended)
        admitted.allowance.end()


def tokens_left(admitted: Admitted) -> int:
    return int(dict(admitted.allowance.headers)[b"x-ratelimit-remaining-tokens"])


def test_test_key_is_served_by_the_sandbox_alone_and_for_nothing() -> None:
    admitted = Gateway().admit("test", max_tokens=2_000_000_000)
    assert [d.name for d in admitted.candidates] == ["sandbox"]


def test_fault_is_played_by_the_sandbox_only() -> None:
    admitted = Gateway().admit("test", model="mini:fail-429")
    assert [(d.name, d.model) for d in admitted.candidates] == [("sandbox", "mini:fail-429")]
    error = refusal(Gateway(), model="mini:fail-429")
    assert error.kind is ErrorKind.MODEL_NOT_FOUND
    assert "test keys" in error.message


def test_fault_has_the_price_of_its_model_where_the_sandbox_serves_everybody() -> None:
    gateway = Gateway()
    snapshot = gateway.snapshots.current
    gateway.snapshots.current = msgspec.structs.replace(snapshot, providers={})
    admitted = gateway.admit(model="mini:fail-429")
    assert [(d.name, d.model) for d in admitted.candidates] == [("sandbox", "mini:fail-429")]
    assert admitted.route.prices == PRICES


def test_store_that_cannot_be_read_is_503_and_never_401() -> None:
    gateway = Gateway()
    gateway.snapshots._fail(StorageError("gone"))
    assert gateway.admit()
    assert refusal(gateway, None).kind is ErrorKind.AUTHENTICATION
    assert refusal(gateway, "disabled").kind is ErrorKind.STORAGE_UNAVAILABLE
    gateway.clock.advance(31)
    assert refusal(gateway).kind is ErrorKind.STORAGE_UNAVAILABLE


def failing(kind: ErrorKind, message: str = "It failed.") -> GatewayError:
    return GatewayError(kind, message)


RETRYABLE = [kind for kind in ErrorKind if kind.value.is_retryable]


@pytest.mark.parametrize("kind", RETRYABLE)
async def test_next_candidate_is_tried_when_it_may_help(kind: ErrorKind) -> None:
    upstreams = FakeUpstreams(a=failing(kind), b=whole())
    gateway = Gateway(deployment("a", 0), deployment("b", 1), upstreams=upstreams)
    assert await gateway.serve() == ANSWER
    assert upstreams.asked == ["a", "b"]
    assert gateway.reply.head[b"x-nagara-provider"] == b"b"
    assert gateway.reply.head[b"x-nagara-attempts"] == b"2"
    [failed] = gateway.said
    assert isinstance(failed, AttemptFailed)
    assert failed.provider == "a"


@pytest.mark.parametrize("kind", [ErrorKind.UNSUPPORTED, ErrorKind.NOT_FOUND])
async def test_what_one_provider_does_not_have_another_is_asked_for(kind: ErrorKind) -> None:
    upstreams = FakeUpstreams(a=failing(kind), b=whole())
    gateway = Gateway(deployment("a", 0), deployment("b", 1), upstreams=upstreams)
    await gateway.serve()
    assert upstreams.asked == ["a", "b"]


@pytest.mark.parametrize("kind", [ErrorKind.INVALID_REQUEST, ErrorKind.UPSTREAM_TOO_LARGE])
async def test_nothing_else_is_tried_when_it_cannot_help(kind: ErrorKind) -> None:
    upstreams = FakeUpstreams(a=failing(kind), b=whole())
    gateway = Gateway(deployment("a", 0), deployment("b", 1), upstreams=upstreams)
    with pytest.raises(GatewayError) as caught:
        await gateway.serve()
    assert caught.value.kind is kind
    assert upstreams.asked == ["a"]
    assert not gateway.reply.has_started


PICTURES: dict[str, Any] = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"https://a.example/{n}"}}
                for n in (1, 2, 1)
            ],
        }
    ]
}


def local(name: str, priority: int = 0) -> Deployment:
    """A server that fetches nothing itself."""
    provider = PROVIDERS["ollama"]
    return Deployment(name=name, provider=provider, model="mini", priority=priority)


async def test_files_are_fetched_once_whoever_is_asked_for_an_answer() -> None:
    upstreams = FakeUpstreams(a=failing(ErrorKind.UPSTREAM_ERROR), b=whole())
    gateway = Gateway(local("a"), local("b", 1), upstreams=upstreams)
    assert await gateway.serve(**PICTURES)
    assert upstreams.asked == ["a", "b"]
    assert gateway.fetcher.asked == [("https://a.example/1", "https://a.example/2")]
    for lane in upstreams.lanes:
        assert lane.body.count(b"data:image/jpeg;base64,/9j/4AAQ") == 3


async def test_files_are_fetched_only_for_who_does_not_do_it() -> None:
    upstreams = FakeUpstreams(a=failing(ErrorKind.UPSTREAM_ERROR), b=whole())
    gateway = Gateway(deployment("a"), local("b", 1), upstreams=upstreams)
    await gateway.serve(**PICTURES)
    assert len(gateway.fetcher.asked) == 1
    first, second = upstreams.lanes
    assert b"https://a.example/1" in first.body
    assert b"https://a.example" not in second.body
    untouched = Gateway(deployment("openai"), upstreams=FakeUpstreams(openai=whole()))
    await untouched.serve(**PICTURES)
    assert not untouched.fetcher.asked


async def test_file_that_cannot_be_had_is_the_callers_and_costs_nothing() -> None:
    error = GatewayError(ErrorKind.INVALID_REQUEST, "No such file.", param="messages[0]")
    upstreams = FakeUpstreams(a=whole(), b=whole())
    gateway = Gateway(local("a"), local("b", 1), upstreams=upstreams, fetcher=FakeFetcher(error))
    with pytest.raises(GatewayError) as caught:
        await gateway.serve(**PICTURES)
    assert (caught.value.status, caught.value.param) == (400, "messages[0]")
    assert caught.value.message == "No such file."
    assert upstreams.asked == []
    assert len(gateway.fetcher.asked) == 1
    assert not gateway.said
    # What was held for it is given back.
    assert len(gateway.settlements.held) == 1
    [settled] = gateway.settlements.settled
    assert settled.record.charge is None


async def test_attempts_are_bounded_and_the_error_says_what_was_tried() -> None:
    names = ["a", "b", "c", "d"]
    upstreams = FakeUpstreams(**{name: failing(ErrorKind.UPSTREAM_ERROR) for name in names})
    deployments = [deployment(name, priority) for priority, name in enumerate(names)]
    gateway = Gateway(*deployments, upstreams=upstreams, attempts_max=2)
    with pytest.raises(GatewayError) as caught:
        await gateway.serve()
    assert upstreams.asked == ["a", "b"]
    assert "Tried: a (upstream_error), b (upstream_error)." in caught.value.message
    assert caught.value.headers["x-nagara-attempts"] == "2"
    assert caught.value.headers["x-nagara-model"] == "mini"
    assert gateway.ended.attempts == 2


async def test_answer_that_breaks_off_whole_is_an_error_that_names_who_was_asked() -> None:
    upstreams = FakeUpstreams(a=whole(b"{", failing(ErrorKind.UPSTREAM_CUT)), b=whole())
    gateway = Gateway(deployment("a", 0), deployment("b", 1), upstreams=upstreams)
    with pytest.raises(GatewayError) as caught:
        await gateway.serve()
    assert caught.value.kind is ErrorKind.UPSTREAM_CUT
    assert "Tried: a" in caught.value.message
    assert upstreams.asked == ["a"]
    assert not gateway.reply.has_started
    assert [type(said) for said in gateway.said] == [AttemptFailed]


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ((b"not json",), ErrorKind.UPSTREAM_PROTOCOL),
        ((b"x" * 600, b"y" * 600), ErrorKind.UPSTREAM_TOO_LARGE),
    ],
)
async def test_answer_that_cannot_be_handed_on_is_an_error(
    pieces: Sequence[bytes], kind: ErrorKind
) -> None:
    gateway = Gateway(deployment("a"), upstreams=FakeUpstreams(a=whole(*pieces)))
    with pytest.raises(GatewayError) as caught:
        await gateway.serve()
    assert caught.value.kind is kind


async def test_whole_answer_is_priced_and_carries_the_callers_model() -> None:
    gateway = Gateway(deployment("a", model="theirs"), upstreams=FakeUpstreams(a=whole()))
    sent = await gateway.serve()
    assert json.loads(sent) == json.loads(ANSWER) | {"model": "mini"}
    assert gateway.reply.head[b"x-nagara-cost"] == b"2.00"
    assert gateway.reply.head[b"x-nagara-model"] == b"theirs"
    assert gateway.reply.head[b"content-length"] == str(len(sent)).encode()
    assert gateway.ended.charge_usd == "2.00"
    assert gateway.ended.bytes_out == len(sent)


async def test_no_other_candidate_is_tried_after_the_first_byte() -> None:
    upstreams = FakeUpstreams(a=streamed(CHUNK, failing(ErrorKind.UPSTREAM_CUT)), b=whole())
    gateway = Gateway(deployment("a", 0), deployment("b", 1), upstreams=upstreams)
    sent = await gateway.serve(stream=True)
    assert sent.startswith(CHUNK)
    assert b'"code":"upstream_cut"' in sent
    assert DONE not in sent
    assert upstreams.asked == ["a"]
    assert (gateway.ended.outcome, gateway.ended.error) == ("cut", "upstream_cut")
    assert gateway.ended.status == 200


async def test_stream_without_usage_is_charged_by_what_was_written() -> None:
    finished = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    begun = streamed(CHUNK, finished, DONE)
    gateway = Gateway(deployment("a"), upstreams=FakeUpstreams(a=begun))
    assert await gateway.serve(stream=True) == CHUNK + finished + DONE
    assert gateway.ended.is_usage_estimated
    assert gateway.ended.usage is not None
    assert gateway.ended.usage[Meter.OUTPUT] == 2
    assert gateway.ended.outcome == "ok"
    assert begun.answer.is_aborted  # type: ignore[attr-defined]


@pytest.mark.parametrize(("before", "is_charged"), [(CHUNK, True), (b": soon\n\n", False)])
async def test_what_was_handed_on_before_a_bound_was_met_is_charged(
    before: bytes, is_charged: bool
) -> None:
    huge = b"data: " + b"x" * 20_000
    gateway = Gateway(deployment("a"), upstreams=FakeUpstreams(a=streamed(before, huge)))
    await gateway.serve(stream=True)
    assert gateway.ended.outcome == "cut"
    (settlement,) = gateway.settlements.settled
    assert (settlement.record.charge_nano > 0) is is_charged


@pytest.mark.parametrize("has_client_left", [True, False])
async def test_cancelled_stream_stops_the_upstream(has_client_left: bool) -> None:
    reading = asyncio.Event()

    class Stalling(FakeAnswer):
        def take(self) -> None:
            self.is_drained = True
            reading.set()

    answer = Stalling(200, [])
    begun = Begun(answer, CHUNK, True, NO_LANE)
    gateway = Gateway(deployment("a"), upstreams=FakeUpstreams(a=begun))
    task = asyncio.create_task(gateway.serve(stream=True))
    await reading.wait()
    gateway.ended.has_client_left = has_client_left
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert answer.is_aborted
    assert (b"shutting_down" in gateway.reply.body) is not has_client_left
    expected = "client_closed_request" if has_client_left else "shutting_down"
    assert (gateway.ended.outcome, gateway.ended.error) == ("cut", expected)
    assert gateway.ended.usage is not None


async def test_what_is_noted_never_holds_key_prompt_or_credential() -> None:
    upstreams = FakeUpstreams(a=failing(ErrorKind.UPSTREAM_ERROR, "prompt"), b=whole())
    gateway = Gateway(deployment("a", 0), deployment("b", 1), upstreams=upstreams)
    await gateway.serve(messages=[{"role": "user", "content": "my secret prompt"}])
    noted = msgspec.json.encode([*gateway.said, gateway.ended]).decode()
    assert "prompt" not in noted
    assert KEYS.secrets["standard"] not in noted
    assert "sk-" not in noted
