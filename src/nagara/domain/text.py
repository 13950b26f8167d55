"""Text that may come from anyone, made fit to be shown.

Names of keys, models and files reach terminals, logs and error messages. None of them may break a
line, forge another, or send a command to the terminal.
"""


def escape_unprintable(text: str) -> str:
    """The text on one line: what cannot be printed stands as its escape, such as `\\n`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
