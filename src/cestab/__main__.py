"""`python -m cestab`."""

from cestab.cli.app import main

if __name__ == "__main__":
    main()
