"""Webhooks: what happens is told to addresses that a team has named, signed, until each has taken it."""
