"""The program ``lead-assets``: from its first moment on, Ctrl-C ends it with one sentence."""

import gc

from lead_assets.interruption import ends_in_one_sentence

gc.set_threshold(
    100_000
)  # imports make many objects that stay: looking at them again and again was a tenth of a command


def main() -> None:
    """Import the commands, and run the one that is asked for."""
    with ends_in_one_sentence():
        from lead_assets import cli
    cli.main()


if __name__ == "__main__":
    main()
