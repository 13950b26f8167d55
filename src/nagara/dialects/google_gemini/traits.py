"""Ways in which servers that speak Gemini's dialect differ, named in their providers' files."""

import enum


class Trait(enum.StrEnum):
    """One way of a provider's own."""

    SERVER_TOOL_INVOCATIONS = "server_tool_invocations"
    """Tools of Google's beside functions need `toolConfig.includeServerSideToolInvocations`, which
    others refuse as unknown: https://ai.google.dev/gemini-api/docs/tool-combination"""
