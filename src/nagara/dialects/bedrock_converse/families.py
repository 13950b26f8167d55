"""What the models on Bedrock want outside of Converse's own fields: one row for each maker.

Converse has no word for top-k or for reasoning; they go into `additionalModelRequestFields`, in the
words of the model's maker. Bedrock writes the maker into the model's id (`us.anthropic.claude-…`),
so the id is what this table is asked with; an ARN of one's own inference profile does not say what
it stands for, and is then sent all of Converse's own fields and no others.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from nagara.domain.messages import Effort

Path = tuple[str, ...]
"""Where in `additionalModelRequestFields` a value stands."""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """The models of one maker. A path of None: they have no such thing.

    `efforts` are the maker's words, by ours; `caches` the parts of a request that take cache
    points. `reports_stop` says that the stop sequence that was come upon can be asked for,
    `reads_signatures` that signed reasoning goes back to it.
    """

    top_k: Path | None = None
    effort: Path | None = None
    efforts: Mapping[Effort, str] = {}
    effort_extras: Mapping[str, Any] = {}
    is_claude: bool = False
    caches: frozenset[str] = frozenset()
    reports_stop: bool = False
    reads_signatures: bool = False


def _words(*words: str) -> Mapping[Effort, str]:
    return dict(zip(list(Effort)[1:], words, strict=True))


SYSTEM, MESSAGES, TOOLS = "system", "messages", "tools"
_THREE = _words("low", "low", "medium", "high", "high", "high")

FAMILIES = {
    "anthropic": Family(
        top_k=("top_k",),
        is_claude=True,
        reports_stop=True,
        reads_signatures=True,
        caches=frozenset({SYSTEM, MESSAGES, TOOLS}),
    ),
    # https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html
    "amazon": Family(
        top_k=("inferenceConfig", "topK"),
        effort=("reasoningConfig", "maxReasoningEffort"),
        efforts=_THREE,
        effort_extras={"type": "enabled"},
        caches=frozenset({SYSTEM, MESSAGES}),
    ),
    # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
    # These always think, so little is the nearest to not at all.
    "openai": Family(effort=("reasoning_effort",), efforts={Effort.NONE: "low", **_THREE}),
    "qwen": Family(effort=("reasoning_config",), efforts=_THREE),
    "mistral": Family(top_k=("top_k",)),
    "cohere": Family(top_k=("k",)),
}
EARLY_CLAUDE = msgspec.structs.replace(FAMILIES["anthropic"], caches=frozenset())
"""Those that came before prompt caching; a cache point is an error there."""
OTHERS = Family()
"""Makers that are not listed."""
UNTOLD = Family(caches=frozenset({SYSTEM, MESSAGES, TOOLS}), reads_signatures=True)
"""Models whose maker their name does not tell: it may be any of them."""

_MAKER = re.compile(rf"(?:^|[./])({'|'.join(FAMILIES)})\.")
_EARLY = re.compile(r"\.claude-(?:v?[12]|instant|3-[a-z]|3-5-sonnet-20240620)")


def find_family(model: str) -> Family:
    """The row of a model, by its id on Bedrock."""
    match = _MAKER.search(model)
    if match is not None and _EARLY.search(model):
        return EARLY_CLAUDE
    if match is not None:
        return FAMILIES[match[1]]
    return UNTOLD if model.startswith("arn:") else OTHERS
