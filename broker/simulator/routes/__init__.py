"""Calls of the API as functions of the world."""
