"""One-time passwords over Emess: critical, at a steady rate; they measure the time to heal."""

from faults.load.client import bearer, words
from faults.load.source import Source

STREAM = "otp"


async def log_in(source: Source) -> str:
    """Return a token."""
    app = source.credentials["emess"]
    body = {"appId": app["appId"], "secretKey": app["secretKey"]}
    answer = await source.client.ask("POST", "/api/v0/auth/token", body=body, headers={})
    if answer is None or not answer.is_success:
        raise RuntimeError(f"no token: {answer and answer.text}")
    return str(words(answer)["token"])


async def send(source: Source, number: int, *, token: str) -> None:
    """Send one password."""
    to = source.number(STREAM)
    text = f"Your code is {source.seed}-{number}"
    body = {"number": to, "message": text, "type": "critical"}
    await source.submit(
        "/api/v0/sms/send", body, stream=STREAM, tier="critical", texts={to: text}, headers=bearer(token)
    )
