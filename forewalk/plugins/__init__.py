"""Code of the user's own, by name: found beside the settings, known by its hash, held to its own errors."""
