"""What Postgres shows of callbacks: webhooks that are switched off."""

import shlex
from collections.abc import Sequence

from dispatcher.domain.duration import format_duration
from dispatcher.service.context import Context
from dispatcher.service.health.finding import Finding, warn
from dispatcher.store.callbacks import webhooks
from dispatcher.store.callbacks.webhooks import DisabledWebhook

_MOST_LINES = 10


async def disabled_webhooks(ctx: Context) -> Sequence[Finding]:
    """Return a warning for each of the webhooks that were switched off last. Raises Unavailable."""
    found = await ctx.database.transact(lambda c: webhooks.list_disabled(c, limit=_MOST_LINES))
    return [_disabled(ctx, webhook) for webhook in found]


def _disabled(ctx: Context, webhook: DisabledWebhook) -> Finding:
    ago = format_duration(ctx.now() - webhook.disabled_at)
    command = shlex.join(["dispatcher", "webhook", "enable", webhook.account, webhook.id])
    return warn(
        f"webhook {webhook.id}",
        f"of {webhook.account} ({webhook.dialect}) was switched off {ago} ago: {webhook.disabled_reason}",
        f"once its URL works, `{command}`",
    )
