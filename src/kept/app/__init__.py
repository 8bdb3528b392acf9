"""The faces, thin: parse, call one duty, render."""
