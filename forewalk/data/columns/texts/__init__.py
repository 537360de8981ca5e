"""News and social texts: what was written about a symbol, known only when it was known."""
