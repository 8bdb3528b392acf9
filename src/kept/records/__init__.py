"""Shared persisted nouns, one per file with its SQL."""
