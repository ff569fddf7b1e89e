"""Jobs that wire the other packages to files, databases and schedules; the command line."""

__all__: list[str] = []
