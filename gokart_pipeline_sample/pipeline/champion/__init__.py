"""The model in use: how it is chosen, and how it scores."""
