"""From forecasts to orders: the pure policy, the indicator and the strategy around them."""
