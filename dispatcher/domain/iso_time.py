"""Times as texts of ISO 8601, and of RFC 3339, its profile for the Internet."""

from datetime import datetime


def read_iso_time(text: str) -> datetime:
    """
    Return the time of a text; it is naive if the text has no offset. Raises ValueError.

    "t" and "z" may be small letters (RFC 3339, section 5.6).
    """
    return datetime.fromisoformat(text.upper())
