"""Kept: a privacy policy that keeps itself."""

__version__ = "0.1.0"
