"""Everything between a captured order and the broker."""
