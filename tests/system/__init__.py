"""Real processes, real sockets, real clients: the gateway as its users meet it."""
