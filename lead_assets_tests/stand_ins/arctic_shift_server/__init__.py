"""A stand-in for Arctic Shift: the real HTTP client talks to it over TCP, and it fails when told to.

It answers as ``api/README.md`` of github.com/ArthurHeitmann/arctic_shift documents. Also startable on its own:
``python -m lead_assets_tests.arctic_shift_server --port 8090 --corpus FILE.ndjson``.
"""

from lead_assets_tests.stand_ins.arctic_shift_server.server import ArcticShiftServer, Fault

__all__ = ["ArcticShiftServer", "Fault"]
