"""The one Cerebro, its feeds, broker and recorder."""
