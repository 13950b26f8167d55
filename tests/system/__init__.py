"""The gateway as a user runs it: a real process, real sockets, real clients."""
