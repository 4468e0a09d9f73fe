"""One asset a file: what it is called, what it depends on, and which step it runs."""
