"""Parse the command line, call a job, print what it returns."""
