"""The error type of this package."""


class DeptError(ValueError):
    """Input that a user can mend: the message names the file, class, key or
    option at fault and says what to do.

    A ``ValueError``, so that code which does not know this package still
    catches it.
    """


class UnreadableImage(DeptError):
    """A file that is there, but gives no image."""
