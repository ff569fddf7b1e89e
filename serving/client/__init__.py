"""Call the API with DataFrames."""

from serving.client.client import Client, LaunchWarning
from serving.client.connection import ProblemError
from serving.client.review import Review

__all__ = ["Client", "LaunchWarning", "ProblemError", "Review"]
