"""Moderation by word lists: deterministic scores in OpenAI's categories.

It is for trying code paths, not for moderating: a word counts wherever it stands. Images are
accepted and never flagged. The API is https://platform.openai.com/docs/api-reference/moderations.
"""

import re
from typing import Any, Final

from nagara.sandbox.conversation import Ids
from nagara.sandbox.request import Field, Problem
from nagara.sandbox.script import Answered, make_json_script

INPUTS_MAX: Final = 1_000
FLAGGED_SCORE: Final = 0.5
QUIET_SCORE: Final = 0.0001
FIRST_HIT_SCORE: Final = 0.7
NEXT_HIT_SCORE: Final = 0.1
SCORE_MAX: Final = 0.99

WORDS: Final[dict[str, tuple[str, ...]]] = {
    "harassment": ("idiot", "moron", "loser", "pathetic", "shut up"),
    "harassment/threatening": ("i will hurt you", "i will find you", "you will regret"),
    "hate": ("subhuman", "inferior race", "vermin"),
    "hate/threatening": ("exterminate them", "wipe them out"),
    "illicit": ("shoplift", "counterfeit", "launder money", "steal a car"),
    "illicit/violent": ("build a bomb", "make a bomb", "pipe bomb"),
    "self-harm": ("suicide", "self-harm", "cut myself"),
    "self-harm/intent": ("kill myself", "end my life", "want to die"),
    "self-harm/instructions": ("how to kill myself", "ways to commit suicide"),
    "sexual": ("porn", "explicit sex", "erotic"),
    "sexual/minors": ("underage sex",),
    "violence": ("kill", "murder", "stab", "shoot", "bomb"),
    "violence/graphic": ("gore", "dismember", "blood everywhere"),
}
SEEN_IN_IMAGES: Final = frozenset(
    {
        "self-harm",
        "self-harm/intent",
        "self-harm/instructions",
        "sexual",
        "violence",
        "violence/graphic",
    }
)
PATTERNS: Final = {
    category: re.compile(r"\b(?:" + "|".join(map(re.escape, words)) + r")", re.IGNORECASE)
    for category, words in WORDS.items()
}


def answer_moderations(body: Field, model: str, _now_s: int, ids: Ids) -> Answered:
    """The script for moderations. Raises `BadRequest`."""
    inputs = read_inputs(body["input"])
    answer = {
        "id": ids.make("modr-"),
        "model": model,
        "results": [judge(text, has_image=has_image) for text, has_image in inputs],
    }
    script = make_json_script(answer, headers=[("x-request-id", ids.make("req_"))])
    return Answered(script, " ".join(text for text, _ in inputs))


def read_inputs(field: Field) -> list[tuple[str, bool]]:
    """Each input as its text, and whether an image is part of it. Raises `BadRequest`.

    An array of typed parts is one input; an array of strings is as many as it has.
    """
    if isinstance(field.value, str):
        return [(field.value, False)]
    if not field.is_absent and not isinstance(field.value, list):
        raise field.fail(Problem.TYPE, "a string or an array")
    items = field.read_items(least=1, most=INPUTS_MAX)
    if not isinstance(items[0].value, dict):
        return [(item.read_text(), False) for item in items]
    texts = []
    for item in items:
        if item["type"].read_choice(("text", "image_url")) == "text":
            texts.append(item["text"].read_text())
        else:
            item["image_url"]["url"].read_text()
    return [("\n".join(texts), len(texts) < len(items))]


def judge(text: str, *, has_image: bool) -> dict[str, Any]:
    """The result for one input."""
    scores = {category: score(len(p.findall(text))) for category, p in PATTERNS.items()}
    categories = {category: value >= FLAGGED_SCORE for category, value in scores.items()}
    applied = {
        category: ["text", "image"] if has_image and category in SEEN_IN_IMAGES else ["text"]
        for category in PATTERNS
    }
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": applied,
    }


def score(hits: int) -> float:
    """The score for so many words of a category."""
    if not hits:
        return QUIET_SCORE
    return round(min(FIRST_HIT_SCORE + NEXT_HIT_SCORE * (hits - 1), SCORE_MAX), 4)
