"""Columns of the user's own beside the prices: read, dated by when they were known, laid over the bars."""
