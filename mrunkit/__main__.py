"""`python -m mrunkit` is `mrunkit`."""

from mrunkit.cli import main

main()
