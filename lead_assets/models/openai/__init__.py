"""Embedding and reading behind an OpenAI-compatible endpoint."""
