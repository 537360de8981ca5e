"""Nested tuning: each fold chooses its settings on its own past, and is then compared with the defaults."""
