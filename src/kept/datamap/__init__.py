"""The map: where personal data lies and to whom it belongs."""
