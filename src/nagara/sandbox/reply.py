"""What the sandbox says: one pure function from a conversation to a reply.

The same conversation gives the same reply. It says plainly that it is the sandbox, calls tools as
`tools` decides, takes results up, gives JSON where that is wanted, and then cuts the whole to the
limits that were set, so that finish reason and usage follow from what is really sent.
"""

from typing import Final

import msgspec

from nagara.sandbox.conversation import Conversation, Finish, JsonFormat, Reply
from nagara.sandbox.request import BadRequest, Problem
from nagara.sandbox.schema import make_instance
from nagara.sandbox.schema_check import SchemaError
from nagara.sandbox.text import count_tokens, cut_at_stop, cut_to_tokens, quote
from nagara.sandbox.tools import Asked, Plan, find_asked, plan_calls

GREETING: Final = "This is the Nagara sandbox: no model was called."
REASONING: Final = "This is the sandbox, so there is little to think about: I say what was asked."
RESULT_CHARACTERS_MAX: Final = 600


def compose(conversation: Conversation) -> list[Reply]:
    """A reply for each choice. Raises `BadRequest` where the wanted JSON cannot be made."""
    asked = find_asked(conversation.turns)
    plan = plan_calls(conversation, asked)
    if plan.calls:
        texts = [""] * conversation.choices
    elif conversation.format is not None:
        # All choices are the same: making JSON for a schema is the one costly thing here.
        texts = [say_json(conversation.format, say(asked, plan))] * conversation.choices
    else:
        texts = [
            say(asked, plan) + say_choice(n, conversation) for n in range(conversation.choices)
        ]
    return [fit(conversation, plan, text) for text in texts]


def find_prompt(conversation: Conversation) -> str:
    """The last text of the user since the last answer."""
    return next(reversed(find_asked(conversation.turns).texts), "")


def say_choice(choice: int, conversation: Conversation) -> str:
    """Which of several choices this is."""
    count = conversation.choices
    return f" (Choice {choice + 1} of {count}.)" if count > 1 else ""


def say(asked: Asked, plan: Plan) -> str:
    """The whole text, before any limit."""
    parts = [GREETING]
    if plan.note:
        parts.append(plan.note)
    elif asked.results:
        results = "\n".join(asked.results)
        parts.append(f"The tool returned: {quote(results, RESULT_CHARACTERS_MAX)}")
    elif asked.texts:
        parts.append(f'You said: "{quote(asked.texts[-1])}"')
    return " ".join(parts)


def say_json(wanted: JsonFormat, text: str) -> str:
    """JSON text of the wanted form."""
    if wanted.schema is None:
        return msgspec.json.encode({"sandbox": "nagara", "message": text}).decode()
    try:
        return msgspec.json.encode(make_instance(wanted.schema)).decode()
    except SchemaError as error:
        detail = f"the sandbox cannot make JSON for this schema: {error}"
        raise BadRequest(wanted.path, Problem.OTHER, detail) from None


def fit(conversation: Conversation, plan: Plan, text: str) -> Reply:
    """The reply within its limits: reasoning first, then text or calls."""
    limit = conversation.output_tokens_max
    reasoning = REASONING if conversation.is_reasoning else ""
    text, stop = cut_at_stop(text, conversation.stops)
    calls, finish = plan.calls, Finish.TOOL_CALLS if plan.calls else Finish.STOP
    if stop is not None:
        finish = Finish.STOP_SEQUENCE
    call_tokens = count_tokens(*(part for call in calls for part in (call.tool.name, call.input)))
    if limit is not None:
        reasoning = cut_to_tokens(reasoning, limit)
        room = limit - count_tokens(reasoning)
        if count_tokens(text) + call_tokens > room:
            text, stop, finish = cut_to_tokens(text, room), None, Finish.LENGTH
            calls, call_tokens = (), 0
    thought = count_tokens(reasoning)
    return Reply(
        text=text,
        reasoning=reasoning,
        calls=calls,
        finish=finish,
        stop_sequence=stop,
        output_tokens=thought + count_tokens(text) + call_tokens,
        reasoning_tokens=thought,
    )
