"""Files that a request gives by their addresses, fetched for providers that do not do it.

    addresses -> for each: GET -> redirects, each checked like the first -> first bytes tell what it
    is -> the rest, within its bound and the request's -> base64

Everything is bounded: how many files, the bytes of each and of all, redirects, and the time for all
together. Nothing is decoded and nothing is put on the disk; what was fetched is forgotten with the
request. Whatever goes wrong is the caller's to mend, so all of it is INVALID_REQUEST and names
their parameter. It never says what an address of ours is, nor repeats what a server said.
"""

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from nagara.dialects.addresses import FetchedFile, Wanted, check_kind, show
from nagara.dialects.media_types import SNIFFED_BYTES, FileType, describe_unknown, sniff
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.upstream.one_off import OneOffAnswer, OneOffClient
from nagara.upstream.origin import Origin, read_origin

URL_CHARACTERS_MAX = 8192
# What RFC 3986 has in a path and a query, and what is encoded already.
_KEPT = "!#$%&'()*+,/:;=?@[]~-._"
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_REASONS: Mapping[ErrorKind, str] = {
    ErrorKind.UPSTREAM_TLS: "its server's certificate is not trusted, or it speaks no TLS",
    ErrorKind.UPSTREAM_FIRST_BYTE_TIMEOUT: "its server took too long",
    ErrorKind.UPSTREAM_IDLE_TIMEOUT: "its server took too long",
    ErrorKind.UPSTREAM_TOTAL_TIMEOUT: "its server took too long",
    ErrorKind.UPSTREAM_CUT: "its server broke off",
    ErrorKind.UPSTREAM_PROTOCOL: "its server does not answer in HTTP/1.1 as it should",
}
_NOT_REACHED = (
    "its host cannot be reached: there is no such name, nothing answers there, or its address is "
    "private, local or reserved, and those are not fetched from"
)


class FetchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of what is fetched for one request. Of none (`files_max` 0) nothing is fetched."""

    files_max: int
    file_bytes_max: int
    files_bytes_max: int
    redirects_max: int
    timeout_s: float
    at_once_max: int
    allows_http: bool = False


class FileFetcher(Protocol):
    """Who fetches, as the pipeline sees it."""

    @property
    def is_enabled(self) -> bool:
        """Whether anything is ever fetched."""

    async def fetch(
        self, wanted: Sequence[Wanted], known: Mapping[str, FetchedFile]
    ) -> Mapping[str, FetchedFile]:
        """The files by their addresses, with those known already. Raises `GatewayError`."""


class _Budget:
    """The bytes that may still be fetched for the request."""

    def __init__(self, left: int, bytes_max: int) -> None:
        self.left = left
        self.bytes_max = bytes_max

    def take(self, count: int, wanted: Wanted) -> None:
        self.left -= count
        if self.left < 0:
            raise _wrong(wanted, f"all files of a request together have more than {self.bytes_max} "
                         "bytes, which is the most that is fetched for one")  # fmt: skip


class Fetcher:
    """Fetches files for requests. One for the process; it holds nothing of a single request."""

    def __init__(self, client: OneOffClient, limits: FetchLimits) -> None:
        self.limits = limits
        self._client = client

    @property
    def is_enabled(self) -> bool:
        """Whether anything is ever fetched."""
        return self.limits.files_max > 0

    async def fetch(
        self, wanted: Sequence[Wanted], known: Mapping[str, FetchedFile]
    ) -> Mapping[str, FetchedFile]:
        """The files by their addresses, each fetched once, with those known already.

        Raises `GatewayError` (INVALID_REQUEST) as soon as one cannot be had. Cancelling it, or its
        failure, stops all that is under way.
        """
        limits = self.limits
        firsts = {each.url: each for each in reversed(wanted) if each.url not in known}
        files = [firsts[url] for url in dict.fromkeys(each.url for each in wanted) if url in firsts]
        if not files:
            return known
        if len(files) + len(known) > limits.files_max:
            raise _refuse(
                files[-1].param,
                f"At most {limits.files_max} files are fetched for one request, and it has "
                f"{len(files) + len(known)} by address that the provider does not fetch itself. "
                "Send the others as base64.",
            )
        spent = sum(len(file.data) // 4 * 3 for file in known.values())
        left = limits.files_bytes_max - spent
        outcome = await self._fetch_all(files, _Budget(left, limits.files_bytes_max))
        if isinstance(outcome, BaseException):
            try:
                raise outcome
            finally:
                # Else the error would hold itself, and all that was read of the files with it.
                del outcome
        return {**known, **{x.url: file for x, file in zip(files, outcome, strict=True)}}

    async def _fetch_all(
        self, files: Sequence[Wanted], budget: _Budget
    ) -> Sequence[FetchedFile] | BaseException:
        """The files in their order, or why one of them cannot be had."""
        limits = self.limits
        turns = asyncio.Semaphore(limits.at_once_max)
        try:
            async with asyncio.timeout(limits.timeout_s), asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._take_turn(x, budget, turns)) for x in files]
        except TimeoutError:
            return _wrong(files[0], f"that took more than {limits.timeout_s:g} s")
        except ExceptionGroup as failed:
            error = _first_error(failed)
            return error.with_traceback(None) if isinstance(error, GatewayError) else error
        return [task.result() for task in tasks]

    async def _take_turn(
        self, wanted: Wanted, budget: _Budget, turns: asyncio.Semaphore
    ) -> FetchedFile:
        async with turns:
            try:
                return await self._fetch(wanted, budget)
            except GatewayError as error:
                if error.kind is ErrorKind.INVALID_REQUEST:
                    raise
                # Without its frames, which hold the connection and what had come by then.
                cause = error.with_traceback(None)
                raise _explain(error, wanted, self.limits.file_bytes_max) from cause

    async def _fetch(self, wanted: Wanted, budget: _Budget) -> FetchedFile:
        url = wanted.url
        for _ in range(self.limits.redirects_max + 1):
            origin, target = self._read_url(url, wanted)
            answer = await self._client.get(origin, target, self.limits.file_bytes_max)
            try:
                if answer.status not in _REDIRECTS:
                    return await _read_file(answer, wanted, budget)
                url = _find_location(answer, url, wanted)
            finally:
                answer.close()
        raise _wrong(wanted, f"it redirects more than {self.limits.redirects_max} times")

    def _read_url(self, url: str, wanted: Wanted) -> tuple[Origin, bytes]:
        """Where a URL leads. Raises `GatewayError` for one that is not fetched."""
        if len(url) > URL_CHARACTERS_MAX:
            raise _wrong(wanted, f"its address has more than {URL_CHARACTERS_MAX} characters")
        if _CONTROL.search(url) is not None:
            raise _wrong(wanted, "its address has blanks or control characters in it")
        try:
            parts = urlsplit(url)
            origin = read_origin(parts, "the address") if parts.scheme in _SCHEMES else None
        except ValueError as error:
            raise _wrong(wanted, "its address is not well-formed") from error
        if origin is None or (origin.scheme == "http" and not self.limits.allows_http):
            also = " or http://" if self.limits.allows_http else ""
            raise _wrong(wanted, f"its address must begin with https://{also}")
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise _wrong(wanted, "there must be no user name or password in its address")
        target = quote(parts.path or "/", safe=_KEPT)
        if parts.query:
            target += "?" + quote(parts.query, safe=_KEPT)
        return origin, target.encode()


_SCHEMES = frozenset({"https", "http"})


def _find_location(answer: OneOffAnswer, url: str, wanted: Wanted) -> str:
    location = next((value for name, value in answer.headers if name == b"location"), b"")
    try:
        return urljoin(url, location.decode())
    except ValueError as error:
        raise _wrong(wanted, "it redirects to what is no address") from error


async def _read_file(answer: OneOffAnswer, wanted: Wanted, budget: _Budget) -> FetchedFile:
    if answer.status != 200:
        raise _wrong(wanted, f"its server answers {answer.status}")
    content = bytearray()
    try:
        found = await _read_content(answer, wanted, budget, content)
        return FetchedFile(found, base64.b64encode(content).decode())
    finally:
        # An error is kept for a while, with the frames that it came through.
        content.clear()


async def _read_content(
    answer: OneOffAnswer, wanted: Wanted, budget: _Budget, content: bytearray
) -> FileType:
    """Read the whole file into `content`; what it is."""
    found: FileType | None = None
    while piece := await answer.read():
        budget.take(len(piece), wanted)
        content += piece
        # What is nothing to be given is not read to its end.
        if found is None and len(content) >= SNIFFED_BYTES:
            found = _recognize(bytes(content[:SNIFFED_BYTES]), wanted)
    return found or _recognize(bytes(content[:SNIFFED_BYTES]), wanted)


def _recognize(head: bytes, wanted: Wanted) -> FileType:
    found = sniff(head, wanted.kind)
    if found is None:
        raise _refuse(
            wanted.param,
            f"The file at {show(wanted.url)} is {describe_unknown(head)}. What is fetched must be "
            "an image, a PDF, audio or video.",
        )
    check_kind(found, wanted.kind, wanted.param, wanted.url)
    return found


def _first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of the errors that is the caller's; a mistake of ours comes before it."""
    errors: list[BaseException] = []
    for error in group.exceptions:
        inner = _first_error(error) if isinstance(error, BaseExceptionGroup) else error
        errors.append(inner)
    return next((x for x in errors if not isinstance(x, GatewayError)), errors[0])


def _explain(error: GatewayError, wanted: Wanted, bytes_max: int) -> GatewayError:
    """What the client says of providers, said of a file."""
    if error.kind is ErrorKind.UPSTREAM_TOO_LARGE:
        return _wrong(wanted, f"it has more than {bytes_max} bytes, the most that is fetched")
    return _wrong(wanted, _REASONS.get(error.kind, _NOT_REACHED))


def _wrong(wanted: Wanted, why: str) -> GatewayError:
    return _refuse(
        wanted.param,
        f"The file at {show(wanted.url)} could not be fetched: {why}. The provider does not fetch "
        "it itself; it can be sent as base64 instead.",
    )


def _refuse(param: str, message: str) -> GatewayError:
    return GatewayError(ErrorKind.INVALID_REQUEST, message, param=param)
