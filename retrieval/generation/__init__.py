"""A language model behind an address, and the prompts it is asked with."""
