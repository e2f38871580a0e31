"""The exceptions that report a user's mistake."""


class DeptError(ValueError):
    """A mistake in the input that the user can fix.

    The message names the file, class, key or option at fault and says what to
    do. It is a ``ValueError``, so that code which does not know this package
    can still catch it.
    """


class UnreadableImage(DeptError):
    """An image file that exists but cannot be decoded."""
