"""The review pages: sign-in, queues, one item at a time. They call what the API calls."""
