"""Nagara: a self-hosted AI gateway. One address and one key for every model of every provider."""

__version__ = "0.1.0"
