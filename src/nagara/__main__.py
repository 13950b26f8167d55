"""`python -m nagara`: the same as the `nagara` command."""

from nagara.cli import main

main()
