"""What a user sets: the environment and the campaign files."""
