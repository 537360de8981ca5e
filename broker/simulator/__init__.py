"""Alpaca's paper-trading API on loopback: HTTP and websocket on one port, time and faults in your hands.

`python -m broker.simulator` starts it; `broker.simulator.harness.Simulator` starts it for a test.
The middle is pure (`world` and below: no socket, file, clock or randomness of its own); `server`, `stream`,
`control` and `store` are the shell.
"""
