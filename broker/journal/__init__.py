"""What the daemon remembers, on disk before anything is sent."""
