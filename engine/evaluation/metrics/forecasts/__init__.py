"""How good the forecasts are: of the return, its sign, its probability and its variance."""
