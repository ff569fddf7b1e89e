"""The HTTP API: what Python and the command line do, as JSON."""

__all__: list[str] = []
