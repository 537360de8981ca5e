"""Rules that find damage in bars and look only backwards."""
