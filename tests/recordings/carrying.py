"""Every recorded request, decoded in its dialect, encoded in every other, and held to its types.

The way is the gateway's own: the recorded body is posted to it, and an upstream keeps what arrives
for each wire format. A refusal that names what the target cannot be given is an outcome of its
own, since it is the caller's to act on; it is counted, and no failure.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import requests
from tests.recordings.capture import PATHS, Capture, capturing, send, serving_capture
from tests.recordings.contents import find_lost, read_contents
from tests.recordings.exchanges import WIRES, Exchange, Recordings
from tests.recordings.gateway import RecordedGateway
from tests.recordings.report import Carried
from tests.recordings.request_shapes import find_problems

WORKERS: Final = 3
UNSUPPORTED: Final = "cannot be given"
"""How the gateway words what it must not leave out."""
KEPT_THERE: Final = ("previous_response_id", "conversation")
NAMED_AS: Final[Mapping[str, tuple[str, ...]]] = {
    "texts": (),
    "tools": ("tools",),
    "media": ("image", "audio", "file", "document", "video", "content"),
}
"""What a name among the dropped ones has in it if it is of this kind; a text is never dropped."""


def carry_all(recordings: Recordings, folder: Path) -> list[Carried]:
    """Send every recorded request of a dialect that callers speak, to every other wire format."""
    exchanges = [each for each in recordings.exchanges.values() if is_sent(each)]
    shares = [exchanges[worker::WORKERS] for worker in range(WORKERS)]
    with (
        capturing() as capture,
        serving_capture(folder, capture, WORKERS) as gateway,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        jobs = [
            pool.submit(carry_share, share, worker, gateway, capture)
            for worker, share in enumerate(shares)
        ]
        return list(itertools.chain.from_iterable(job.result() for job in jobs))


def is_sent(exchange: Exchange) -> bool:
    """Whether a request is whole and good: not refused, nor a turn of a conversation kept there."""
    if exchange.wire not in PATHS or not exchange.request or exchange.status >= 400:
        return False
    return not any(exchange.request.get(name) for name in KEPT_THERE)


def carry_share(
    exchanges: Iterable[Exchange], worker: int, gateway: RecordedGateway, capture: Capture
) -> Sequence[Carried]:
    """One worker's part, one request after the other."""
    found: list[Carried] = []
    for exchange in exchanges:
        for wire in WIRES:
            if wire.name != exchange.wire:
                model = f"to-{wire.name}-{worker}"
                capture.bodies.pop(model, None)
                answer = send(gateway, exchange.wire, exchange.request, model)
                arrived = capture.bodies.get(model)
                found.append(judge(exchange, wire.name, answer, arrived))
    return found


def judge(exchange: Exchange, target: str, answer: requests.Response, arrived: Any) -> Carried:
    """What became of one request."""

    wrong: dict[str, list[str]] = {}
    if arrived is None:
        is_fair = answer.status_code == 400 and UNSUPPORTED in answer.text
        if not is_fair:
            wrong["sent"] = [f"{answer.status_code}: {answer.text[:300]}"]
        refusal = answer.text if is_fair else ""
        return Carried(exchange.id, exchange.wire, target, refusal, wrong)
    if problems := find_problems(target, arrived):
        wrong["types"] = problems[:3]
    if answer.status_code != 200:
        wrong["answered"] = [f"{answer.status_code}: {answer.text[:300]}"]
    dropped = answer.headers.get("x-nagara-dropped", "")
    for kind, missing in find_lost(read_contents(exchange.wire, exchange.request), arrived).items():
        if not any(word in dropped for word in NAMED_AS[kind]):
            wrong[kind] = [text[:120] for text in missing]
    return Carried(exchange.id, exchange.wire, target, "", wrong)
