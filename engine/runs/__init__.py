"""Run folders, the ledger of tries, forecasts read back."""
