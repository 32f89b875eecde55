"""The one error that embedded servers raise."""


class EmbeddedError(RuntimeError):
    """An embedded server could not be started; the text says why and ends with the tail of its log."""
