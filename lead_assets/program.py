"""The program ``lead-assets``: from its first moment on, Ctrl-C ends it with one sentence."""

import gc
import os

from lead_assets.interruption import ends_in_one_sentence

# Imports make many objects that stay: to look at them again and again was a tenth of a command's time.
gc.set_threshold(100_000)
# pydantic would look through all that is installed for plugins, of which none is used here.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# numpy's library would start a thread for each core, in each process: its work here is too small to be shared out.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> None:
    """Import the commands, and run the one that is asked for."""
    with ends_in_one_sentence():
        from lead_assets import cli
    cli.main()


if __name__ == "__main__":
    main()
