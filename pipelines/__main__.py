"""``python -m pipelines``: the command line, where the script is not on the path."""

from pipelines.cli.app import main

main()
