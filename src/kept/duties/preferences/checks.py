"""Control stub."""
