"""A stand-in for OpenAI and servers like it: the real client talks to it over TCP.

    python -m lead_assets_tests.openai_server --port 8099

What belongs here: the server, what it answers, and how it fails. What does not: what tests claim with its help.
"""

from lead_assets_tests.stand_ins.openai_server.faults import Fault
from lead_assets_tests.stand_ins.openai_server.server import CHAT, EMBEDDINGS, StandIn

__all__ = ["CHAT", "EMBEDDINGS", "Fault", "StandIn"]
