"""
The contract between the dispatcher and a provider plug-in: everything an author of a plug-in imports.

A plug-in implements `Provider`. An entry point of the group `sms_dispatcher.providers` names its
`ProviderFactory`, usually the class itself, which raises Misconfigured if an option is wrong.

`send` asks the `Gate` right before the first byte of a request, and returns one `Outcome` for each message,
in order. Outcomes are values: Unsent if certainly nothing was sent, Unknown if something may have been sent.
`read_receipt` verifies the signature before it reads anything.

A plug-in that asks the provider for receipts also implements `Polls`. One that gets reports over connections
of its own implements `Listens`. `tests/providers/conformance.py` is the suite that every plug-in passes.
"""

from dispatcher.domain.delivery.inbound_part import InboundPart
from dispatcher.domain.delivery.provider import (
    Accepted,
    Deferred,
    Gate,
    Inbound,
    Listens,
    Outcome,
    Outgoing,
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
    Unknown,
    Unsent,
)
from dispatcher.domain.errors import BadReceipt, BadSignature, Misconfigured, Unavailable
from dispatcher.domain.messages.status import Status
from dispatcher.domain.tier import Tier

__all__ = [
    "Accepted",
    "BadReceipt",
    "BadSignature",
    "Deferred",
    "Gate",
    "Inbound",
    "InboundPart",
    "Listens",
    "Misconfigured",
    "Outcome",
    "Outgoing",
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
    "Unavailable",
    "Unknown",
    "Unsent",
]
