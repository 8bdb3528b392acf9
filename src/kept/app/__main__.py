"""`python -m kept.app`: the command line, where the script `kept` is not on the path."""

from kept.app.cli import main

if __name__ == "__main__":
    main()
