"""Replace a collection behind its name: versions, their migration and examination."""
