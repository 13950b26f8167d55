"""Items of tools that a provider ran, in an answer to a caller, and what is sealed beside them.

A call and its result, which most dialects tell apart, are one item here, whole when the result has
come. Its provider may want back more than the item shows (sealed pages of a search): that travels
in a reasoning item after it. A tool that this dialect does not have is named as dropped, and still
sealed, so that its provider finds it in the next turn.
"""

from typing import Any

import msgspec

from nagara.dialects.openai_responses.hosted import (
    PROGRESS,
    encode_hosted,
    encode_image_item,
)
from nagara.dialects.openai_responses.output_items import Output
from nagara.dialects.openai_responses.replay import enclose_parts
from nagara.dialects.openai_responses.wire import NAME
from nagara.domain.messages import HostedCall, HostedKind, HostedResult, Media, Opaque


class _Running(msgspec.Struct):
    """A call whose result has not come; `index` is its item's, if it has one."""

    call: HostedCall
    item_id: str
    index: int | None


class HostedItems:
    """The hosted parts of one answer; `dropped` takes the names of those without a place."""

    def __init__(self, output: Output, dropped: list[str]) -> None:
        self._output = output
        self._dropped = dropped
        self._running: dict[str, _Running] = {}
        self._has_own_image = False

    def add(self, part: HostedCall | HostedResult | Opaque) -> None:
        """The next part, whole."""
        if part.dialect == NAME:
            self._add_own(part)
            return
        match part:
            case HostedCall():
                self._begin(part)
            case HostedResult():
                running = self._running.pop(part.call_id, None)
                if running is None:
                    self._drop(part.name, result=part)
                else:
                    self._end(running, part)
            case Opaque():
                self._drop(part.type, opaque=part)

    def _add_own(self, part: HostedCall | HostedResult | Opaque) -> None:
        """Whole items of this dialect stay as they are; a result is within its call's."""
        self._has_own_image = (
            isinstance(part, HostedCall) and part.kind is HostedKind.IMAGE_GENERATION
        )
        if part.raw is not None:
            self._output.add(part.raw)

    def _begin(self, call: HostedCall) -> None:
        item_id = self._output.make_id("ws_" if "web" in call.kind else "ht_")
        item = encode_hosted(call, None, item_id, "in_progress")
        index = None if item is None else self._output.begin(item)
        if item is not None and index is not None:
            self._tell(item, index, PROGRESS.get(item["type"], ())[:-1])
        self._running[call.id] = _Running(call, item_id, index)

    def _end(self, running: _Running, result: HostedResult | None) -> None:
        call = running.call
        if running.index is None:
            self._drop(call.name, call=call, result=result)
            return
        item = encode_hosted(call, result, running.item_id, "completed")
        if item is not None:
            self._tell(item, running.index, PROGRESS.get(item["type"], ())[-1:])
            self._output.end(running.index, item)
        if call.raw is not None or (result is not None and result.raw is not None):
            self.seal(enclose_parts(running.item_id, call=call, result=result))

    def _tell(self, item: dict[str, Any], index: int, steps: tuple[str, ...]) -> None:
        for step in steps:
            place = {"item_id": item["id"], "output_index": index}
            self._output.tell(f"response.{item['type']}.{step}", place)

    def _drop(
        self,
        name: str,
        call: HostedCall | None = None,
        result: HostedResult | None = None,
        opaque: Opaque | None = None,
    ) -> None:
        self._dropped.append(name)
        if any(part is not None and part.raw is not None for part in (call, result, opaque)):
            self.seal(enclose_parts(None, call, result, opaque))

    def add_image(self, media: Media) -> None:
        """An image that the model made, unless the item before was of this very image."""
        if not self._has_own_image:
            self._output.add(encode_image_item(media, self._output.make_id("ig_")))
        self._has_own_image = False

    def seal(self, sealed: str) -> None:
        """What the caller is to send back, in a reasoning item that says nothing."""
        self._output.add(
            {
                "type": "reasoning",
                "id": self._output.make_id("rs_"),
                "summary": [],
                "encrypted_content": sealed,
            }
        )

    def end(self) -> None:
        """The answer ends: calls without a result had none to tell of."""
        for running in list(self._running.values()):
            self._end(running, None)
        self._running.clear()
