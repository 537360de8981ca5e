"""LSTM, GRU and attention: networks, their training, the forecaster."""
