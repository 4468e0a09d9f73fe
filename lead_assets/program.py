"""The program ``lead-assets``: from its first moment on, Ctrl-C ends it with one sentence."""

from lead_assets.interruption import ends_in_one_sentence


def main() -> None:
    """Import the commands, and run the one that is asked for."""
    with ends_in_one_sentence():
        from lead_assets import cli
    cli.main()


if __name__ == "__main__":
    main()
