"""Features and labels: what a model sees, and what it is asked for."""
