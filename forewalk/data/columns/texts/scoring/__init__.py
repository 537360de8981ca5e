"""Scorers beside the word list: one that learns from the user's own texts, and a local transformer."""
