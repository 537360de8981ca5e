"""What a person sees of the daemon: health, status, pages, alerts."""
