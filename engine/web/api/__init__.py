"""The API, version 1: /api/v1."""
