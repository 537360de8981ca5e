"""Paper trading: the daemon and what surrounds it."""
