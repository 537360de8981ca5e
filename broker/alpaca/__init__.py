"""Speaking with Alpaca: client, order stream, JSON to values and back."""
