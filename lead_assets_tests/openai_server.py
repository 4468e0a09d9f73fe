"""The documented command: ``python -m lead_assets_tests.openai_server`` starts the stand-in."""

from lead_assets_tests.stand_ins.openai_server.__main__ import main

if __name__ == "__main__":
    main()
