"""How turns are shared out: accounts alike, and in each account its flows alike."""

from collections import Counter
from collections.abc import Sequence


def fair_shares(flows: Sequence[tuple[int, int]], most: int) -> list[int]:
    """Tell how many each of these flows (its account, its number) may have of about `most`."""
    of_account = Counter(account_id for account_id, _ in flows)
    turn = -(-most // max(1, len(of_account)))
    return [-(-turn // of_account[account_id]) for account_id, _ in flows]
