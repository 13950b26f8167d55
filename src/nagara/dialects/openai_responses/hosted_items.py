"""Items of tools that a provider ran, in an answer to a caller, and what is sealed beside them.

A call and its result, which most dialects tell apart, are one item here, whole when the result has
come. Its provider may want back more than the item shows (sealed pages of a search): that travels
in reasoning items, one for each part, in the order of the parts. They come when no item is open:
a client that keeps items in the order in which they are done then has what they stand for first.
A tool that this dialect does not have is named as dropped, and still sealed.
"""

from typing import Any

import msgspec

from nagara.dialects.openai_responses.hosted import (
    PROGRESS,
    encode_hosted,
    encode_image_item,
)
from nagara.dialects.openai_responses.output_items import Output
from nagara.dialects.openai_responses.replay import enclose_part
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
        self._sealed: list[str] = []
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
                self._take_result(part)
            case Opaque():
                self._dropped.append(part.type)
                self.seal(enclose_part(part))

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
        index = None
        if item is None:
            self._dropped.append(call.name)
        else:
            index = self._output.begin(item)
            self._tell(item, index, PROGRESS.get(item["type"], ())[:-1])
        self._running[call.id] = _Running(call, item_id, index)
        if call.raw is not None:
            self.seal(enclose_part(call, None if item is None else item_id))

    def _take_result(self, result: HostedResult) -> None:
        running = self._running.pop(result.call_id, None)
        if running is None:
            self._dropped.append(result.name)
        else:
            self._end(running, result)
        if result.raw is not None:
            self._sealed.append(enclose_part(result))
        self._give_sealed()

    def _end(self, running: _Running, result: HostedResult | None) -> None:
        if running.index is None:
            return
        item = encode_hosted(running.call, result, running.item_id, "completed")
        if item is not None:
            self._tell(item, running.index, PROGRESS.get(item["type"], ())[-1:])
            self._output.end(running.index, item)

    def _tell(self, item: dict[str, Any], index: int, steps: tuple[str, ...]) -> None:
        for step in steps:
            place = {"item_id": item["id"], "output_index": index}
            self._output.tell(f"response.{item['type']}.{step}", place)

    def add_image(self, media: Media) -> None:
        """An image that the model made, unless the item before was of this very image."""
        if not self._has_own_image:
            self._output.add(encode_image_item(media, self._output.make_id("ig_")))
        self._has_own_image = False

    def seal(self, sealed: str) -> None:
        """What the caller is to send back, in a reasoning item that says nothing."""
        self._sealed.append(sealed)
        self._give_sealed()

    def _give_sealed(self) -> None:
        if self._running:
            return
        for sealed in self._sealed:
            item = {"type": "reasoning", "id": self._output.make_id("rs_"), "summary": []}
            self._output.add(item | {"encrypted_content": sealed})
        self._sealed.clear()

    def end(self) -> None:
        """The answer ends: calls without a result had none to tell of."""
        for running in list(self._running.values()):
            self._end(running, None)
        self._running.clear()
        self._give_sealed()
