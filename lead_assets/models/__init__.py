"""What embeds and what reads: protocols, the local ones, and those behind an OpenAI-compatible endpoint."""
