"""The memory: an append-only, signed log without personal data."""
