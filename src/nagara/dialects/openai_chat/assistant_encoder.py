"""What an assistant said earlier, as one message for a provider.

Reasoning goes back only in the ways that a provider takes it, and signed reasoning only to whoever
signed it. What the provider ran itself never goes back as a call that somebody else is to answer.

Sources: https://openrouter.ai/docs/use-cases/reasoning-tokens
https://api-docs.deepseek.com/guides/thinking_mode https://docs.mistral.ai/capabilities/reasoning
"""

from collections.abc import Iterable

from nagara.dialects.codec import Target, can_read
from nagara.dialects.openai_chat.call_ids import fit_call_id
from nagara.dialects.openai_chat.hosted import NAME
from nagara.dialects.openai_chat.part_encoder import encode_text
from nagara.dialects.openai_chat.reasoning_details import encode_for_maker
from nagara.dialects.openai_chat.traits import Trait
from nagara.dialects.openai_chat.wire import DetailWire
from nagara.domain.messages import (
    HostedCall,
    HostedResult,
    Media,
    MediaKind,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolKind,
)

Fields = dict[str, object]


class AssistantEncoder:
    """Gathers the parts of one turn under the fields of a message."""

    def __init__(self, request: Request, target: Target, dropped: dict[str, None]) -> None:
        self._request = request
        self._target = target
        self._dropped = dropped
        self._said: list[Text | Reasoning | Opaque] = []
        self._refusals: list[str] = []
        self._calls: list[Fields] = []
        self._audio_id: str | None = None

    def can_say(self, media: Media) -> bool:
        """Whether media has a place in an assistant's message: audio that is kept, or its words."""
        is_kept = media.file_id is not None and self._request.dialect == NAME
        return media.kind is MediaKind.AUDIO and (is_kept or media.transcript is not None)

    def add(self, part: Part) -> None:
        """Take the next part of the turn."""
        match part:
            case Text():
                self._said.append(part)
                if part.citations:
                    self._drop("citations")
            case Reasoning():
                self._said.append(part)
            case ToolCall():
                self._calls.append(self._encode_call(part))
            case Refusal(text=text) if Trait.REFUSALS in self._target.traits:
                self._refusals.append(text)
            case Refusal(text=text):
                self._said.append(Text(text))
            case Media(file_id=str() as file_id):
                self._audio_id = file_id
            case Media(transcript=str() as transcript):
                self._said.append(Text(transcript))
            case Opaque() if part.dialect == NAME:
                self._said.append(part)
            case HostedCall() | HostedResult() | Opaque():
                self._add_hosted(part)
            case _:
                self._drop(type(part).__name__.lower())

    def fields(self) -> Fields:
        """The message."""
        fields: Fields = {"role": "assistant", "content": self._content()}
        fields |= self._encode_reasoning()
        if self._refusals:
            fields["refusal"] = "".join(self._refusals)
        if self._audio_id is not None:
            fields["audio"] = {"id": self._audio_id}
        if self._calls:
            fields["tool_calls"] = self._calls
        # Null is taken only beside something that stands for it.
        if fields["content"] is None and len(fields) == 2:
            fields["content"] = ""
        return fields

    def _content(self) -> object:
        """Text alone where it can be; null where there is none, for OpenAI and nearly all others.

        Pieces of one text are put together with nothing between: citations cut them mid-sentence.
        """
        has_thinking = Trait.THINKING_PARTS in self._target.traits
        said = [p for p in self._said if has_thinking or not isinstance(p, Reasoning)]
        if all(isinstance(part, Text) and part.cache is None for part in said):
            return "".join(_texts(said)) if said else None
        parts: list[object] = []
        for part in said:
            if isinstance(part, Text):
                parts.append(encode_text(part, self._target))
            elif isinstance(part, Opaque):
                parts.append(part.raw)
            elif part.text:
                thoughts = [{"type": "text", "text": part.text}]
                parts.append({"type": "thinking", "thinking": thoughts})
            else:
                self._drop("reasoning")
        return parts or None

    def _encode_reasoning(self) -> Fields:
        """The fields that reasoning goes back in, by the provider's way."""
        thoughts = [part for part in self._said if isinstance(part, Reasoning)]
        traits = self._target.traits
        if not thoughts or Trait.THINKING_PARTS in traits:
            return {}
        if Trait.REASONING_DETAILS in traits:
            return self._encode_details(thoughts)
        # DeepSeek refuses a turn with calls that comes back without its reasoning, whoever's it is.
        text = "\n\n".join(part.text for part in thoughts if part.text)
        if text and Trait.EARLIER_REASONING_CONTENT in traits:
            return {"reasoning_content": text}
        if text and Trait.EARLIER_REASONING in traits:
            return {"reasoning": text}
        self._drop("reasoning")
        return {}

    def _encode_details(self, thoughts: list[Reasoning]) -> Fields:
        """Entries for what its maker signed, among which unsigned text is an entry too.

        Where nothing is signed for this provider, all there is to say is the text: an entry without
        its signature might be taken for one that lost it.
        """
        own = [can_read(part.signature, self._request, NAME, self._target) for part in thoughts]
        if not any(own):
            text = "\n\n".join(part.text for part in thoughts if part.text)
            if not text:
                self._drop("reasoning")
            return {"reasoning": text} if text else {}
        details: list[DetailWire] = []
        for part, is_readable in zip(thoughts, own, strict=True):
            detail = encode_for_maker(part, is_readable=is_readable)
            if detail is None:
                self._drop("reasoning")
            else:
                details.append(detail)
        return {"reasoning_details": details} if details else {}

    def _encode_call(self, call: ToolCall) -> Fields:
        fields: Fields = {"id": fit_call_id(call.id, self._target), "type": str(call.kind)}
        if call.kind is ToolKind.CUSTOM:
            fields["custom"] = {"name": call.name, "input": call.arguments}
        else:
            # No arguments at all are no JSON, which some servers refuse.
            fields["function"] = {"name": call.name, "arguments": call.arguments or "{}"}
        if call.signature is not None and can_read(
            call.signature, self._request, NAME, self._target
        ):
            # https://ai.google.dev/gemini-api/docs/thought-signatures#openai
            signed = {"thought_signature": call.signature.value}
            fields["extra_content"] = {"google": signed}
        return fields

    def _add_hosted(self, part: HostedCall | HostedResult | Opaque) -> None:
        # Not even Groq takes back the `executed_tools` that it says; the model has their outcome
        # in its text: https://github.com/groq/groq-python/blob/main/src/groq/types/chat/chat_completion_assistant_message_param.py
        self._drop(part.type if isinstance(part, Opaque) else part.name)

    def _drop(self, name: str) -> None:
        self._dropped[name] = None


def _texts(parts: Iterable[object]) -> Iterable[str]:
    return (part.text for part in parts if isinstance(part, Text))
