"""Shapes: immutable values without I/O, shared by every room of the house."""
