"""What a graph of concepts tells of launches: concepts, relations, and what they are worth."""
