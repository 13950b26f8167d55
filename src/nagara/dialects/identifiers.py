"""Callers' own identifiers, in a length that OpenAI takes.

OpenAI refuses a user, a cache key or the id of a call of more than 64 characters; Claude Code's
user is of about 150. Such an identifier says nothing but which one it is, so a digest of it, the
same each time, does as well.

https://platform.openai.com/docs/api-reference/responses/create
"""

import hashlib

LENGTH_MAX = 64


def fit_identifier(identifier: str) -> str:
    """The identifier itself if it is short enough, else 64 characters that stand for it."""
    if len(identifier) <= LENGTH_MAX:
        return identifier
    return hashlib.sha256(identifier.encode(errors="surrogatepass")).hexdigest()
