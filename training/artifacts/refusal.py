"""The error whose message alone is for the person at the command line."""


class RefusedInput(Exception):
    """What a command was given is not acceptable. It ends with the message, without a traceback."""
