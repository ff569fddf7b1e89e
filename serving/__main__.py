"""``python -m serving``: the command line, where the script is not on the path."""

from serving.command_line import main

main()
