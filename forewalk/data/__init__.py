"""Bars from a source, cleaned, with a written report of everything that was wrong with them."""
