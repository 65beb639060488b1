"""Claims about speed and size, each measured against a named peer in the same run."""
