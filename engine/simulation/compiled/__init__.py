"""The same simulation in compiled code, equal to Cerebro bit by bit."""
