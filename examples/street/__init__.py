"""Others whom a web site calls: who counts visits, who sells advertisements, buttons, films.

None of them is real. They answer on this machine under names that every browser leads here
(`*.localhost`), and count who asks them for what: `/` shows it.
"""
