"""Campaigns as values: the states they pass through, and which may follow which."""

from collections.abc import Mapping
from enum import StrEnum


class AudienceState(StrEnum):
    """How far a list of recipients is read."""

    IMPORTING = "importing"
    READY = "ready"


class CampaignState(StrEnum):
    """What a campaign is doing; the last two are final."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether it never goes out again."""
        return not FOLLOWING[self]


FOLLOWING: Mapping[CampaignState, frozenset[CampaignState]] = {
    CampaignState.DRAFT: frozenset({CampaignState.ACTIVE, CampaignState.CANCELLED}),
    CampaignState.ACTIVE: frozenset({CampaignState.PAUSED, CampaignState.FINISHED, CampaignState.CANCELLED}),
    CampaignState.PAUSED: frozenset({CampaignState.ACTIVE, CampaignState.CANCELLED}),
    CampaignState.FINISHED: frozenset(),
    CampaignState.CANCELLED: frozenset(),
}


class RunState(StrEnum):
    """What one run is doing: recipients become messages, messages go out, and then it is over."""

    EXPANDING = "expanding"
    SENDING = "sending"
    FINISHED = "finished"
    STOPPED = "stopped"  # its maximum cost was reached; what is out goes on
    CANCELLED = "cancelled"
