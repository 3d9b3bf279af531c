"""How an error is told: by commands, for each document, and within other errors."""


def describe_error(error: BaseException) -> str:
    """What is said of an error.

    error (BaseException): The error.
    RETURNS (str): Its message, with its kind unless it is one that explains itself.
    """
    message = str(error)
    if message and isinstance(error, (ImportError, OSError, ValueError)):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
