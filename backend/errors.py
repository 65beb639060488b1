"""The one error that a person is meant to read."""


class UserError(Exception):
    """Bad input or a bad environment, told in one sentence: what is wrong, where, and how to mend it."""
