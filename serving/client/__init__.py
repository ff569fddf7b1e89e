"""Call the API with DataFrames."""

from serving.client.client import Client, LaunchWarning
from serving.client.connection import ProblemError

__all__ = ["Client", "LaunchWarning", "ProblemError"]
