"""The `smpp` plug-in: any SMSC or aggregator that speaks SMPP 3.4, over binds that are kept up."""

from dispatcher.providers.smpp.provider import SmppProvider

__all__ = ["SmppProvider"]
