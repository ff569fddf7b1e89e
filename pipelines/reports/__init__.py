"""Write results for people: pages, pictures, summaries on the terminal."""
