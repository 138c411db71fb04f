"""Fair shares: accounts get equal shares, and so do the flows of each account."""

from collections import Counter
from collections.abc import Sequence


def fair_shares(flows: Sequence[tuple[int, int]], limit: int) -> list[int]:
    """Return the share of each of these flows (account, flow number) of about `limit` messages."""
    flow_counts = Counter(account_id for account_id, _ in flows)
    account_share = -(-limit // max(1, len(flow_counts)))
    return [-(-account_share // flow_counts[account_id]) for account_id, _ in flows]
