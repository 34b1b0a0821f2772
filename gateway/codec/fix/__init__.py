"""FIX as venues speak it, in and out: pure translations without a socket, a clock or an engine.

`Encoder` turns committed records into message bodies, `decode` turns a message's text into a fact. What is particular
about one venue is a `Dialect`: data, never a branch. The session layer (header, numbers, checksum) belongs to the FIX
engine behind the venue link.
"""

from gateway.codec.fix.decode import Decoded, decode, shown
from gateway.codec.fix.dialect import FIX42, FIX44, FIX50SP2, Dialect
from gateway.codec.fix.encode import EncodeError, Encoder, encode_business_reject
from gateway.codec.fix.fields import readable, whole

__all__ = [
    "FIX42",
    "FIX44",
    "FIX50SP2",
    "Decoded",
    "Dialect",
    "EncodeError",
    "Encoder",
    "decode",
    "encode_business_reject",
    "readable",
    "shown",
    "whole",
]
