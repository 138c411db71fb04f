"""The `smpp` plug-in: any SMSC or aggregator with SMPP 3.4, over binds that are kept open."""

from dispatcher.providers.smpp.provider import SmppProvider

__all__ = ["SmppProvider"]
