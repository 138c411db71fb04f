"""Why a phone number is refused, and what to do about it."""

from enum import StrEnum


class NumberFault(StrEnum):
    """Why a phone number is refused."""

    EMPTY = "empty"
    TOO_LONG = "too long"
    NOT_DIGITS = "not digits"  # letters, symbols, misplaced separators
    SHORTENED = "shortened"  # scientific notation
    FRACTION = "fraction"
    EXTENSION = "extension"
    SEVERAL = "several"
    TRUNK_ZERO = "trunk zero"  # (0) in a country whose numbers have no trunk 0
    AMBIGUOUS = "ambiguous"
    REWRITTEN = "rewritten"  # libphonenumber would change digits
    NO_PLUS = "no plus"
    NO_COUNTRY = "no country"  # national, without a default country
    INVALID = "invalid"
    NOT_MOBILE = "not mobile"


TEXTS = {
    NumberFault.EMPTY: "is empty",
    NumberFault.TOO_LONG: "is too long",
    NumberFault.NOT_DIGITS: "must be digits, with a + before a country code",
    NumberFault.SHORTENED: (
        "is not complete: the spreadsheet shortened this number; format the column as text and export again"
    ),
    NumberFault.FRACTION: "has a decimal fraction: format the column as text and export again",
    NumberFault.EXTENSION: "has an extension, which gets no messages: write the number without it",
    NumberFault.SEVERAL: "looks like more than one number: write one only",
    NumberFault.TRUNK_ZERO: "has a 0 in brackets that may be a part of it: write it as dialled from abroad",
    NumberFault.AMBIGUOUS: "can be read as {}: write the one that is meant",
    NumberFault.REWRITTEN: "has digits that do not belong to it: if {} is meant, write that",
    NumberFault.NO_PLUS: "must begin with + and a country code",
    NumberFault.NO_COUNTRY: "has no country code, and the account has no default country",
    NumberFault.INVALID: "is invalid: check its digits and its country code",
    NumberFault.NOT_MOBILE: "is not a mobile phone number",
}
"""What follows the number in a sentence; {} stands for other readings of it."""
