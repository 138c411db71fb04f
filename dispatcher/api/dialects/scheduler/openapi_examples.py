"""The document's own samples as OpenAPI."""

from dispatcher.api.dialects.scheduler.mapping import MESSAGES, WORDS
from dispatcher.api.openapi import Responses, answer, body, describe_id_in_path

_STATUSES = "\n".join(f"- `{word.code}` {word.meaning}" for word in WORDS.values() if word)
_UNAUTHORIZED = answer("Unauthorized", {"errors": {"authorization": [MESSAGES[401]]}})
_NOT_FOUND = answer("Not Found", {"errors": {"id": [MESSAGES[404]]}})
_FAULTY = {
    "message_stop": ['The field "message_stop" must be a value of type "boolean"'],
    "phone_numbers": [
        'The field "phone_numbers" must be a list of type "string"',
        "The following phone number is invalid: +123456789",
    ],
}
_IDS = {"type": "array", "items": {"type": "integer"}}

DESCRIPTION = f"Send SMS now or later, query their status, and delete them.\n\nStatuses:\n\n{_STATUSES}"

CREATE = body(
    {
        "message_text": "Hello world",
        "message_stop": False,
        "delivery_date": "2020-12-25 12:45:59",
        "sender_id": 123,
        "phone_numbers": ["+330101010101", "+330202020202", "+490303030303"],
    },
    required=["message_text", "delivery_date", "sender_id", "phone_numbers"],
    schemas={
        "message_stop": {"description": "Append instructions for opting out to the text.", "default": False},
        "delivery_date": {
            "description": "In the account's time zone. With a date in the past the SMS is sent at once."
        },
        "phone_numbers": {"description": '"+", country code and number. May be a single string.'},
    },
)
CREATED: Responses = {
    200: answer(
        "OK",
        {"message_id": 123456, "sms_ids": {"+33612345678": [123456, 123457]}},
        schema={
            "type": "object",
            "properties": {
                "message_id": {"type": "integer"},
                "sms_ids": {"type": "object", "additionalProperties": _IDS},
            },
        },
    ),
    400: answer("Bad Request", {"errors": _FAULTY}),
    401: _UNAUTHORIZED,
}


def found(example: object) -> Responses:
    """Return the description of responses about one id."""
    return {
        200: answer("OK", example),
        401: _UNAUTHORIZED,
        404: _NOT_FOUND,
    }


SMS_ID = describe_id_in_path("sms_id")
MESSAGE_ID = describe_id_in_path("message_id")

SMS = {"phone_number": "+33612345678", "status": 13}
MESSAGE = [{"id": 123456, **SMS}]
