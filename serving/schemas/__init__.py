"""Define what is sent and answered."""
