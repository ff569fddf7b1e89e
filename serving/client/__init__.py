"""Call the API with DataFrames."""

from serving.client.client import Client, ProblemError

__all__ = ["Client", "ProblemError"]
