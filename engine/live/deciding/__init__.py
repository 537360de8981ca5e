"""One decision of the daemon, from bars to rows."""
