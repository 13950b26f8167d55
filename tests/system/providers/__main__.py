"""`python -m tests.system.providers DIALECT`: serve it, say where, and go on until killed."""

import sys

from tests.system.providers import chat, deepseek, gemini, messages, responses
from tests.system.providers.server import Played, PlayedServer

PLAYED: dict[str, type[Played]] = {
    "chat": chat.PlayedChat,
    "deepseek": deepseek.PlayedDeepSeek,
    "responses": responses.PlayedResponses,
    "messages": messages.PlayedMessages,
    "gemini": gemini.PlayedGemini,
}

if __name__ == "__main__":
    with PlayedServer(PLAYED[sys.argv[1]]()) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()
