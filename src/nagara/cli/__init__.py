"""The nagara command."""


def main() -> None:
    """Entry point."""
