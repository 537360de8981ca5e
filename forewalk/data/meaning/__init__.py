"""What rows mean: whose market, how long a bar, which moment a stamp is, adjusted or raw. See docs/data.md."""
