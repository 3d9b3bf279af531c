"""Describe an error in one text: for commands, for each document, and within other errors."""


def describe_error(error: BaseException) -> str:
    """Describe an error.

    error (BaseException): The error.
    RETURNS (str): Its message. The class of the error stands before it, unless messages of this
        class explain themselves.
    """
    message = str(error)
    if message and isinstance(error, (ImportError, OSError, ValueError)):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
