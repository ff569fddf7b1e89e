"""What is found of each query: hits of an engine, and the neighbors made of them."""
