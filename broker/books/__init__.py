"""Several books on one account: each sees its own part, and the broker holds the sum."""
