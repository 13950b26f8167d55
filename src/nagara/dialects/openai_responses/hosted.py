"""Items of tools that the provider runs itself: a search, code, an image. Never for the caller.

One item here holds both the call and what came of it; the hub has the two apart, so an item is
decoded to both, the call keeping the whole item. A call of another dialect and its result become
one item where this dialect has such a tool; its own opaque part travels as in `replay.py`.

Source: https://platform.openai.com/docs/guides/tools
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from nagara.dialects.openai_responses.wire import NAME, Reader, encode_json
from nagara.domain.messages import (
    HostedCall,
    HostedKind,
    HostedResult,
    Media,
    MediaKind,
    Part,
    Source,
)

KINDS: Mapping[str, HostedKind] = {
    "web_search_call": HostedKind.WEB_SEARCH,
    "code_interpreter_call": HostedKind.CODE_EXECUTION,
    "file_search_call": HostedKind.FILE_SEARCH,
    "image_generation_call": HostedKind.IMAGE_GENERATION,
    "mcp_call": HostedKind.MCP,
    "tool_search_call": HostedKind.TOOL_SEARCH,
    "tool_search_output": HostedKind.TOOL_SEARCH,
}

# What a stream says between an item's beginning and its end, by the item's type.
PROGRESS: Mapping[str, tuple[str, ...]] = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "mcp_call": ("in_progress", "completed"),
}


def is_hosted(reader: Reader) -> bool:
    """Whether the item is of a tool that the provider ran. A tool search may be the caller's."""
    kind = reader.fields.get("type")
    if kind is None or bytes(kind)[1:-1].decode(errors="replace") not in KINDS:
        return False
    return reader.fields.get("execution") != msgspec.Raw(b'"client"')


def decode_hosted(reader: Reader, *, has_media: bool = False) -> tuple[Part, ...]:
    """The call and its result; with `has_media` also the image that was made."""
    raw, kind = reader.whole_raw(), reader.needed_text("type")
    item_id, status = reader.text("id") or "", reader.text("status")
    if kind == "tool_search_output":
        return (_result(item_id, kind, raw=raw),)
    name, arguments = _ARGUMENTS[kind](reader)
    call = HostedCall(
        id=item_id, kind=KINDS[kind], name=name, arguments=arguments, dialect=NAME, raw=raw
    )
    if kind == "tool_search_call":
        return (call,)
    if kind == "image_generation_call":
        return (call, *_decode_image(reader)) if has_media else (call,)
    return call, _RESULTS[kind](reader, item_id, kind, name, status == "failed")


def _result(item_id: str, kind: str, **fields: Any) -> HostedResult:
    fields.setdefault("name", kind.removesuffix("_call").removesuffix("_output"))
    return HostedResult(call_id=item_id, kind=KINDS[kind], dialect=NAME, **fields)


def _json(value: object) -> str:
    return encode_json(value).decode()


def _search_arguments(reader: Reader) -> tuple[str, str]:
    """What was searched for; an action of another kind opens a page or looks into one."""
    action = reader.object("action")
    if action is None:
        return "web_search", "{}"
    reader.fields["sources"] = action.raw("sources") or msgspec.Raw(b"[]")
    told = {name: action.raw(name) for name in ("query", "queries", "url", "pattern")}
    return "web_search", _json({name: raw for name, raw in told.items() if raw is not None})


def _code_arguments(reader: Reader) -> tuple[str, str]:
    return "code_interpreter", _json({"code": reader.text("code") or ""})


def _file_arguments(reader: Reader) -> tuple[str, str]:
    return "file_search", _json({"queries": reader.texts("queries") or []})


def _image_arguments(reader: Reader) -> tuple[str, str]:
    return "image_generation", _json({"prompt": reader.text("revised_prompt") or ""})


def _mcp_arguments(reader: Reader) -> tuple[str, str]:
    return reader.text("name") or "mcp", reader.text("arguments") or ""


def _tool_search_arguments(reader: Reader) -> tuple[str, str]:
    return "tool_search", bytes(reader.raw("arguments") or b"{}").decode()


_ARGUMENTS: Mapping[str, Callable[[Reader], tuple[str, str]]] = {
    "web_search_call": _search_arguments,
    "code_interpreter_call": _code_arguments,
    "file_search_call": _file_arguments,
    "image_generation_call": _image_arguments,
    "mcp_call": _mcp_arguments,
    "tool_search_call": _tool_search_arguments,
}


def _search_result(
    reader: Reader, item_id: str, kind: str, name: str, has_failed: bool
) -> HostedResult:
    found = [(page.text("url"), page.text("title")) for page in reader.objects("sources")]
    sources = tuple(Source(url, title) for url, title in found if url)
    return _result(item_id, kind, name=name, sources=sources, is_error=has_failed)


def _code_result(
    reader: Reader, item_id: str, kind: str, name: str, has_failed: bool
) -> HostedResult:
    logs = [output.text("logs") or "" for output in reader.objects("outputs")]
    return _result(item_id, kind, name=name, output="\n".join(logs), is_error=has_failed)


def _file_result(
    reader: Reader, item_id: str, kind: str, name: str, has_failed: bool
) -> HostedResult:
    texts = [found.text("text") or "" for found in reader.objects("results")]
    return _result(item_id, kind, name=name, output="\n\n".join(texts), is_error=has_failed)


def _mcp_result(
    reader: Reader, item_id: str, kind: str, name: str, has_failed: bool
) -> HostedResult:
    error = reader.raw("error")
    output = reader.text("output")
    if output is None and error is not None:
        output = bytes(error).decode(errors="replace")
    return _result(item_id, kind, name=name, output=output, is_error=has_failed or bool(error))


_RESULTS: Mapping[str, Callable[[Reader, str, str, str, bool], HostedResult]] = {
    "web_search_call": _search_result,
    "code_interpreter_call": _code_result,
    "file_search_call": _file_result,
    "mcp_call": _mcp_result,
}


def _decode_image(reader: Reader) -> tuple[Part, ...]:
    data, form = reader.text("result"), reader.text("output_format") or "png"
    if data is None:
        return ()
    return (Media(kind=MediaKind.IMAGE, media_type=f"image/{form}", data=data),)


def encode_hosted(
    call: HostedCall, result: HostedResult | None, item_id: str, status: str
) -> dict[str, Any] | None:
    """The item of a call that another dialect's provider ran; None if there is no place for it."""
    encode = _ITEMS.get(call.kind)
    if encode is None:
        return None
    if result is not None and result.is_error:
        status = "failed"
    return {"id": item_id, "status": status} | encode(call, result)


def _encode_search(call: HostedCall, result: HostedResult | None) -> dict[str, Any]:
    arguments = _read_arguments(call)
    queries = arguments.get("queries")
    query = arguments.get("query") or (queries[0] if isinstance(queries, list) and queries else "")
    action: dict[str, Any] = {"type": "search", "query": query}
    if isinstance(queries, list) and queries:
        action["queries"] = queries
    if result is not None and result.sources:
        action["sources"] = [{"type": "url", "url": source.url} for source in result.sources]
    return {"type": "web_search_call", "action": action}


def _encode_fetch(call: HostedCall, result: HostedResult | None) -> dict[str, Any]:
    url = _read_arguments(call).get("url")
    if not isinstance(url, str) and result is not None and result.sources:
        url = result.sources[0].url
    return {"type": "web_search_call", "action": {"type": "open_page", "url": url}}


def _encode_code(call: HostedCall, result: HostedResult | None) -> dict[str, Any]:
    arguments = _read_arguments(call)
    code = arguments.get("code") or arguments.get("command") or call.arguments
    output = None if result is None else result.output
    return {
        "type": "code_interpreter_call",
        "code": code,
        "container_id": "",
        "outputs": None if output is None else [{"type": "logs", "logs": output}],
    }


def _encode_mcp(call: HostedCall, result: HostedResult | None) -> dict[str, Any]:
    output = None if result is None else result.output
    has_failed = result is not None and result.is_error
    return {
        "type": "mcp_call",
        "name": call.name,
        "server_label": "",
        "arguments": call.arguments or "{}",
        "output": None if has_failed else output,
        "error": {"type": "mcp_tool_execution_error", "content": output} if has_failed else None,
    }


_ITEMS: Mapping[HostedKind, Callable[[HostedCall, HostedResult | None], dict[str, Any]]] = {
    HostedKind.WEB_SEARCH: _encode_search,
    HostedKind.WEB_FETCH: _encode_fetch,
    HostedKind.CODE_EXECUTION: _encode_code,
    HostedKind.MCP: _encode_mcp,
}


def encode_image_item(media: Media, item_id: str) -> dict[str, Any]:
    """The item of an image that the model made."""
    return {
        "type": "image_generation_call",
        "id": item_id,
        "status": "completed",
        "result": media.data,
        "output_format": (media.media_type or "image/png").partition("/")[2],
    }


def _read_arguments(call: HostedCall) -> dict[str, Any]:
    try:
        arguments = msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {}
    return arguments if isinstance(arguments, dict) else {}
