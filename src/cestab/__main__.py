"""`python -m cestab`, and the command `cestab`: a thin shell around the application that an interrupt cannot break."""

import sys

from cestab.streams import prepare


def main() -> None:
    """Run the command line and exit."""
    try:
        prepare()
        from cestab.commands.app import main as run_application  # noqa: PLC0415  # it takes a moment, in which Ctrl-C may come
    except KeyboardInterrupt:
        print("cestab: interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    run_application()


if __name__ == "__main__":
    main()
