"""Call the API with DataFrames."""

from serving.client.client import Client, LaunchWarning, ProblemError

__all__ = ["Client", "LaunchWarning", "ProblemError"]
