"""The command line, for a checkout: `python cli.py --help`."""

from verifier.commands import main

main()
