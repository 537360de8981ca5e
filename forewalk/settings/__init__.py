"""One tree of settings, one TOML file."""
