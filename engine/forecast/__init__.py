"""Tomorrow's forecast, and the log that remembers every forecast ever given."""
