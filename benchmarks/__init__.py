"""Speed, memory and start-up, measured side by side; `python -m benchmarks` prints them."""
