#: What the soaks of this run came to, a line each; told once more at its very end.
TOLD: list[str] = []
