"""What the built-in providers' facts rest on, as a page of documentation made from their files.

A fact of a provider's that no page tells is said to be so here. Nothing is kept in this module: a
page that was read, the day, and what was not found are in the provider's own file.
"""

from collections.abc import Iterator

from nagara.domain.catalog import Evidence, Provider
from nagara.providers import PROVIDERS


def render_providers() -> str:
    """The page `docs/providers.md`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield INTRODUCTION
    yield "| provider | served | checked against | on | not verified |\n|---|---|---|---|---|"
    for provider in PROVIDERS.values():
        if provider.evidence is not None:
            yield _line(provider, provider.evidence)


def _line(provider: Provider, evidence: Evidence) -> str:
    served = ", ".join(provider.paths)
    added = [page for pages in evidence.later.values() for page in pages]
    numbered = enumerate((*evidence.pages, *added), 1)
    pages = ", ".join(f"[{number}]({page})" for number, page in numbered)
    days, first = evidence.checked_on, len(evidence.pages) + 1
    for day, more in evidence.later.items():
        last = first + len(more) - 1
        days += f"; {first if first == last else f'{first} to {last}'}: {day}"
        first = last + 1
    unverified = evidence.unverified or "-"
    return f"| {provider.display_name} | {served} | {pages} | {days} | {unverified} |"


INTRODUCTION = """\
# What the providers' files rest on

*Made from the code by `make docs`; a test holds it to that.*

Nobody has called these providers with a real key to make this table. Base URLs, headers, paths and
what a provider takes or refuses were held against its documentation, against the types of its
published SDK, or against what others recorded or reported of it. Single facts have their page in a
comment of `src/nagara/providers/`. What none of them tells stands in the last column.
"""
