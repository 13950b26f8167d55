"""The upstream client: HTTP/1.1 to providers, ours. See `connection` for how it works."""
