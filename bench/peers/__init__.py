"""Other ways to do what a benchmark measures, each a script of its own that begins and ends as the bench tells it."""
