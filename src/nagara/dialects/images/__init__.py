"""Images: OpenAI's requests and answers to callers, and what else providers call the same thing.

`pictures.py` is what goes in, `request.py` what is asked for, `usage.py` what an answer says of
usage, `exchange.py` one request at one deployment, and each other file is one wire format.

Source: https://platform.openai.com/docs/api-reference/images
"""

from nagara.dialects.images.exchange import open_exchange
from nagara.dialects.images.traits import Form

__all__ = ["Form", "open_exchange"]
