"""
The numbers of SMPP and their names.

Source: SMPP Protocol Specification v3.4, issue 1.2 (smpp.org): command_id
5.1.2.1, command_status 5.1.3, esm_class 5.2.12, data_coding 5.2.19,
message_state 5.2.28, tags of optional parameters 5.3.2.
"""

from enum import IntEnum

RESPONSE_BIT = 0x80000000
"""The bit that is set in the command of a response, and not in that of its request."""


class Command(IntEnum):
    """command_id: the kind of a PDU."""

    BIND_RECEIVER = 0x00000001
    BIND_TRANSMITTER = 0x00000002
    QUERY_SM = 0x00000003
    SUBMIT_SM = 0x00000004
    DELIVER_SM = 0x00000005
    UNBIND = 0x00000006
    REPLACE_SM = 0x00000007
    CANCEL_SM = 0x00000008
    BIND_TRANSCEIVER = 0x00000009
    OUTBIND = 0x0000000B
    ENQUIRE_LINK = 0x00000015
    SUBMIT_MULTI = 0x00000021
    ALERT_NOTIFICATION = 0x00000102
    DATA_SM = 0x00000103
    GENERIC_NACK = 0x80000000
    BIND_RECEIVER_RESP = 0x80000001
    BIND_TRANSMITTER_RESP = 0x80000002
    QUERY_SM_RESP = 0x80000003
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM_RESP = 0x80000005
    UNBIND_RESP = 0x80000006
    REPLACE_SM_RESP = 0x80000007
    CANCEL_SM_RESP = 0x80000008
    BIND_TRANSCEIVER_RESP = 0x80000009
    ENQUIRE_LINK_RESP = 0x80000015
    SUBMIT_MULTI_RESP = 0x80000021
    DATA_SM_RESP = 0x80000103


class CommandStatus(IntEnum):
    """command_status: the result in a response; 0x400 to 0x4FF are vendor-specific."""

    ESME_ROK = 0x00
    ESME_RINVMSGLEN = 0x01  # message length is invalid
    ESME_RINVCMDLEN = 0x02  # command length is invalid
    ESME_RINVCMDID = 0x03  # invalid command
    ESME_RINVBNDSTS = 0x04  # not bound, or bound otherwise than the command needs
    ESME_RALYBND = 0x05  # already bound
    ESME_RINVPRTFLG = 0x06  # invalid priority flag
    ESME_RINVREGDLVFLG = 0x07  # invalid registered delivery flag
    ESME_RSYSERR = 0x08  # system error
    ESME_RINVSRCADR = 0x0A  # invalid source address
    ESME_RINVDSTADR = 0x0B  # invalid destination address
    ESME_RINVMSGID = 0x0C  # message id is invalid
    ESME_RBINDFAIL = 0x0D  # bind failed
    ESME_RINVPASWD = 0x0E  # invalid password
    ESME_RINVSYSID = 0x0F  # invalid system id
    ESME_RCANCELFAIL = 0x11  # cancel failed
    ESME_RREPLACEFAIL = 0x13  # replace failed
    ESME_RMSGQFUL = 0x14  # message queue full
    ESME_RINVSERTYP = 0x15  # invalid service type
    ESME_RINVNUMDESTS = 0x33  # invalid number of destinations
    ESME_RINVDLNAME = 0x34  # invalid distribution list
    ESME_RINVDESTFLAG = 0x40  # invalid destination flag
    ESME_RINVSUBREP = 0x42  # invalid submit with replace
    ESME_RINVESMCLASS = 0x43  # invalid esm_class
    ESME_RCNTSUBDL = 0x44  # cannot submit to a distribution list
    ESME_RSUBMITFAIL = 0x45  # submit failed
    ESME_RINVSRCTON = 0x48  # invalid type of number of the source
    ESME_RINVSRCNPI = 0x49  # invalid numbering plan of the source
    ESME_RINVDSTTON = 0x50  # invalid type of number of the destination
    ESME_RINVDSTNPI = 0x51  # invalid numbering plan of the destination
    ESME_RINVSYSTYP = 0x53  # invalid system type
    ESME_RINVREPFLAG = 0x54  # invalid replace-if-present flag
    ESME_RINVNUMMSGS = 0x55  # invalid number of messages
    ESME_RTHROTTLED = 0x58  # over the allowed rate
    ESME_RINVSCHED = 0x61  # invalid scheduled delivery time
    ESME_RINVEXPIRY = 0x62  # invalid validity period
    ESME_RINVDFTMSGID = 0x63  # predefined message not found
    ESME_RX_T_APPN = 0x64  # the ESME has a temporary error: repeat
    ESME_RX_P_APPN = 0x65  # the ESME has a permanent error
    ESME_RX_R_APPN = 0x66  # the ESME rejects the message
    ESME_RQUERYFAIL = 0x67  # query failed
    ESME_RINVOPTPARSTREAM = 0xC0  # error in the optional part of the body
    ESME_ROPTPARNOTALLWD = 0xC1  # optional parameter not allowed
    ESME_RINVPARLEN = 0xC2  # invalid parameter length
    ESME_RMISSINGOPTPARAM = 0xC3  # expected optional parameter is missing
    ESME_RINVOPTPARAMVAL = 0xC4  # invalid value of an optional parameter
    ESME_RDELIVERYFAILURE = 0xFE  # delivery failed (answers to data_sm)
    ESME_RUNKNOWNERR = 0xFF  # unknown error


def status_name(status: int) -> str:
    """Return the name of a command_status, such as `ESME_RTHROTTLED`; `0x413` if it has none."""
    try:
        return CommandStatus(status).name
    except ValueError:
        return f"0x{status:X}"


class Tag(IntEnum):
    """The tags of optional parameters (TLVs)."""

    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    PAYLOAD_TYPE = 0x0019
    RECEIPTED_MESSAGE_ID = 0x001E
    USER_MESSAGE_REFERENCE = 0x0204
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210


class MessageState(IntEnum):
    """message_state: the state of a message at the SMSC."""

    SCHEDULED = 0  # SMPP 5.0, as SKIPPED
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3  # its validity period is over
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6  # read on the subscriber's behalf, by customer service
    UNKNOWN = 7
    REJECTED = 8
    SKIPPED = 9  # accepted, and on purpose not sent (SMPP 5.0, 4.7.15)


class DataCoding(IntEnum):
    """data_coding: the alphabet of a text. GSM's groups, with a message class and the like, are in `text`."""

    DEFAULT = 0x00  # the SMSC's own alphabet: GSM 03.38 at most of them, one septet in an octet
    ASCII = 0x01
    OCTETS = 0x02
    LATIN1 = 0x03
    OCTETS_TOO = 0x04
    JIS = 0x05  # JIS X 0208
    CYRILLIC = 0x06  # ISO-8859-5
    HEBREW = 0x07  # ISO-8859-8
    UCS2 = 0x08
    PICTOGRAMS = 0x09
    ISO_2022_JP = 0x0A
    EXTENDED_KANJI = 0x0D  # JIS X 0212
    KOREAN = 0x0E  # KS C 5601


class HeaderElement(IntEnum):
    """Elements of a user data header (3GPP TS 23.040, 9.2.3.24)."""

    CONCAT_8 = 0x00
    PORTS_8 = 0x04
    PORTS_16 = 0x05
    CONCAT_16 = 0x08
    WIRELESS_CONTROL = 0x09
    SINGLE_SHIFT = 0x24
    LOCKING_SHIFT = 0x25


class EsmClass(IntEnum):
    """The bits of esm_class."""

    TYPE = 0x3C
    RECEIPT = 0x04
    INTERMEDIATE = 0x20  # a receipt that is not the last
    UDH = 0x40  # the text begins with a header
