"""Writes the shipped catalogue from the installed genai-prices: what `make catalogue` runs."""

import datetime
import sys

from nagara.catalogue.shipped import SHIPPED_PATH, encode_catalogue
from nagara.catalogue.sync import make_catalogue


def main() -> None:
    """Build as of today, or of the day given as the only argument (YYYY-MM-DD)."""
    given = sys.argv[1:]
    today = datetime.datetime.now(datetime.UTC).date()
    day = datetime.date.fromisoformat(given[0]) if given else today
    catalogue = make_catalogue(day)
    SHIPPED_PATH.write_bytes(encode_catalogue(catalogue))
    print(f"{SHIPPED_PATH}: {len(catalogue.models)} models, {len(catalogue.startups)} startups")


if __name__ == "__main__":
    main()
