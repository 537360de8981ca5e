"""Texts from the network into a file: politely, each once, and never taken for known before they were."""
