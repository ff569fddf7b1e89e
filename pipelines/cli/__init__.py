"""Parse the command line, call a job, print what it returns."""

from pipelines.cli.app import app as app
