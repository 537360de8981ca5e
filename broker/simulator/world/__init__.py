"""The simulated exchange: pure rules without socket, file, clock or randomness of their own."""
