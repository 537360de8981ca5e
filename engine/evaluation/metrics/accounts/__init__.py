"""What an account did, and how much of it may be luck."""
