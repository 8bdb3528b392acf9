"""The verbs of the command line, one file per group. Each is thin: parse, call, say."""
