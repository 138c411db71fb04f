"""
The contract between the dispatcher and a provider plug-in: everything an author of a plug-in imports.

A plug-in implements `Provider`. An entry point of the group `sms_dispatcher.providers` names its
`ProviderFactory`, usually the class itself, which raises Misconfigured if an option is wrong.

`send` asks the `Gate` right before the first byte of a request, and returns one `Outcome` for each message,
in order. Outcomes are values: Unsent if certainly nothing was sent, Unknown if something may have been sent.
`read_receipt` verifies the signature before it reads anything.

A plug-in that hands over the parts of a long text one by one returns PartlyAccepted if some were taken and
others not; `outcome_of_parts` makes the outcome of a message from those of its parts. The next attempt is for
the same provider, with the taken parts in `Outgoing.parts_taken`. A plug-in that hands over whole texts needs
none of this.

A plug-in that asks the provider for receipts also implements `Polls`. One that gets reports over connections
of its own implements `Listens`. `tests/providers/conformance.py` is the suite that every plug-in passes.
"""

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.part_outcomes import outcome_of_parts
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Gate,
    Inbound,
    InboundData,
    Listens,
    Outcome,
    Outgoing,
    PartlyAccepted,
    Polls,
    Provider,
    ProviderConfig,
    ProviderFactory,
    ProviderReports,
    ReceiptReport,
    ReceiptRequest,
    Rejected,
    ReportHandler,
    Traffic,
    Unaccepted,
    Unknown,
    Unsent,
)
from dispatcher.domain.errors import BadReceipt, BadSignature, Misconfigured, Unavailable
from dispatcher.domain.messages.parts import PartsTaken
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier

__all__ = [
    "Accepted",
    "BadReceipt",
    "BadSignature",
    "Deferred",
    "Gate",
    "Inbound",
    "InboundData",
    "InboundPart",
    "Listens",
    "Misconfigured",
    "Outcome",
    "Outgoing",
    "PartlyAccepted",
    "PartsTaken",
    "Polls",
    "Provider",
    "ProviderConfig",
    "ProviderFactory",
    "ProviderReports",
    "ReceiptReport",
    "ReceiptRequest",
    "Rejected",
    "ReportHandler",
    "Status",
    "Tier",
    "Traffic",
    "Unaccepted",
    "Unavailable",
    "Unknown",
    "Unsent",
    "outcome_of_parts",
]
