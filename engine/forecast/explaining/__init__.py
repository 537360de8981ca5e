"""Which features carry the forecast."""
