"""What FIX asks of the acceptor of a session: one row for each case that its test document, or the firm, has.

`source` names the case in "FIX session layer test cases" (fixtrading.org); S stands for the acceptor's own. "ours" are
cases that the document does not have.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """One case. `deviates` says where and why the exchange does something else than the source has it do."""

    id: str
    name: str
    source: str
    expected: str
    deviates: str = ""


_HANGS_UP = "It hangs up once its Logout is out and does not wait for the client to do so first."

ACCEPTOR_CASES = [
    # Logon.
    Case("logon", "A valid Logon", "1S a", "Logon with the client's HeartBtInt(108), MsgSeqNum 1"),
    Case("logon-too-high", "A Logon whose MsgSeqNum is too high", "1S a", "Logon, then ResendRequest from 1"),
    Case("logon-too-low", "A Logon whose MsgSeqNum is too low", "2 c", "Logout that names both numbers, end"),
    Case("logon-fixt", "A valid Logon of FIXT.1.1", "1S a", "Logon with DefaultApplVerID(1137)"),
    Case("logon-fixt-no-version", "FIXT.1.1 without DefaultApplVerID(1137)", "1S d", "Logout that says so, end"),
    Case("logon-twice", "A second connection under the same CompIDs", "1S b", "end without a word, the first lives"),
    Case("logon-sender", "A Logon with an unknown SenderCompID", "1S c", "end without a word"),
    Case("logon-target", "A Logon with a wrong TargetCompID", "1S c", "end without a word"),
    Case("logon-begin-string", "A Logon with another BeginString", "1S c", "end without a word"),
    Case(
        "logon-password", "A Logon with a wrong password", "1S d", "Logout that says so, end; the password is not kept"
    ),
    Case("logon-heartbeat-missing", "A Logon without HeartBtInt", "1S d", "Logout that says so, end"),
    Case("logon-heartbeat-negative", "A Logon with HeartBtInt -1", "1S d", "Logout that says so, end"),
    Case("logon-encrypted", "A Logon that asks for encryption", "1S d, 17", "Logout that says so, end"),
    Case("logon-sending-time", "A Logon whose SendingTime is an hour off", "1S d", "Logout that says so, end"),
    Case("logon-no-seq-num", "A Logon without MsgSeqNum", "1S d", "Logout that says so, end"),
    Case(
        "logon-garbled", "A Logon whose BodyLength is wrong, then a good one", "1S d, 2 d", "only the good one counts"
    ),
    Case("not-a-logon", "A first message that is no Logon", "1S e", "end without a word"),
    Case("logon-again", "A Logon in the middle of a session", "2 q", "Reject, the session goes on"),
    # The standard header.
    Case("seq-expected", "MsgSeqNum as expected", "2 a", "accepted, the next is expected"),
    Case("seq-too-high", "MsgSeqNum too high", "2 b", "one ResendRequest from the gap; both are done in order"),
    Case("seq-too-low", "MsgSeqNum too low without PossDupFlag", "2 c", "Logout that names both numbers, end"),
    Case("seq-missing", "No MsgSeqNum", "2 c", "Logout that says so, end"),
    Case("seq-huge", "MsgSeqNum of 5,000 digits", "ours", "Logout that says so, end; the exchange lives"),
    Case("garbled-check-sum", "A wrong CheckSum", "2 d, 3 b", "ignored, the number is still expected"),
    Case("poss-dup-known", "PossDupFlag with a number already received", "2 e", "ignored"),
    Case("poss-dup-new", "PossDupFlag with a number not yet received", "2 e", "accepted"),
    Case("poss-dup-time", "OrigSendingTime after SendingTime", "2 f", "Reject 10, the next is expected"),
    Case("poss-dup-no-time", "PossDupFlag without OrigSendingTime", "2 g", "Reject 1 about tag 122"),
    Case("begin-string", "Another BeginString in the session", "2 i", "Logout that says so, end"),
    Case("sender-comp-id", "Another SenderCompID in the session", "2 k", "Reject 9, Logout, end"),
    Case("target-comp-id", "Another TargetCompID in the session", "2 k", "Reject 9, Logout, end"),
    Case("body-length-short", "BodyLength too small", "2 m", "ignored, the number is still expected"),
    Case("body-length-long", "BodyLength too large", "2 m", "ignored, the message after it counts"),
    Case("sending-time", "SendingTime more than two minutes off", "2 o", "Reject 10, Logout, end"),
    Case("sending-time-missing", "No SendingTime", "2 o", "Reject 1 about tag 52, Logout, end"),
    Case("sending-time-format", "SendingTime that is no time", "2 o", "Reject 6 about tag 52, Logout, end"),
    Case("msg-type-unknown", "A MsgType that FIX does not have", "2 q", "Reject 11, the next is expected"),
    Case("msg-type-unsupported", "A MsgType that the exchange does not take", "2 r", "BusinessMessageReject 3"),
    Case("msg-type-own", "A MsgType that begins with U", "2 r", "BusinessMessageReject 3"),
    Case("first-three", "MsgType is not the third field", "2 t", "ignored, the number is still expected"),
    Case("body-length-second", "BodyLength is not the second field", "2 t", "ignored, the number is still expected"),
    # The standard trailer.
    Case("check-sum-length", "CheckSum of two digits", "3 e", "ignored, the number is still expected"),
    Case("check-sum-last", "CheckSum is not the last field", "3 e", "ignored, the number is still expected"),
    Case("no-delimiter", "The last delimiter is missing", "3 e", "ignored, the message after it counts"),
    # Heartbeats.
    Case("heartbeat-sent", "Nothing to send for HeartBtInt", "4 a", "Heartbeat"),
    Case("test-request", "TestRequest", "4 b", "Heartbeat with the TestReqID"),
    Case("test-request-no-id", "TestRequest without TestReqID", "14 b", "Reject 1 about tag 112"),
    Case("heartbeat", "Heartbeat", "5", "accepted, no answer"),
    Case("silent-client", "Nothing received for more than HeartBtInt", "6", "TestRequest, then end"),
    Case("reject", "Reject", "7", "accepted, no answer"),
    # Sequence numbers.
    Case(
        "resend-all",
        "ResendRequest from 1 to infinity",
        "8",
        "gap fills for session messages, reports again with PossDupFlag",
    ),
    Case("resend-range", "ResendRequest of one number", "8", "that report and nothing else"),
    Case("resend-bad-begin", "ResendRequest from what was never sent", "8", "Reject 5 about tag 7"),
    Case("resend-backwards", "ResendRequest whose end is before its begin", "8", "Reject 5 about tag 16"),
    Case("reset-logon", "Logon with ResetSeqNumFlag", "9", "Logon with MsgSeqNum 1 and the flag"),
    Case("reset-logon-seq", "ResetSeqNumFlag with MsgSeqNum 5", "9", "Logout that says so, end; nothing is reset"),
    Case(
        "reset-connected", "Logon with ResetSeqNumFlag in the session", "9", "Logon with MsgSeqNum 1, both begin anew"
    ),
    Case("gap-fill-too-high", "Gap fill whose MsgSeqNum is too high", "10 a", "ResendRequest"),
    Case("gap-fill", "Gap fill to a higher number", "10 b", "that number is expected"),
    Case("gap-fill-poss-dup", "Gap fill already received, with PossDupFlag", "10 c", "ignored"),
    Case(
        "gap-fill-too-low",
        "Gap fill already received, without PossDupFlag",
        "10 d",
        "Logout that names both numbers, end",
    ),
    Case("gap-fill-backwards", "Gap fill to a lower number", "10 e", "Reject 5 about tag 36"),
    Case("reset-higher", "SequenceReset to a higher number, whatever its MsgSeqNum", "11 a", "that number is expected"),
    Case("reset-equal", "SequenceReset to the number that is expected", "11 b", "accepted"),
    Case("reset-lower", "SequenceReset to a lower number", "11 c", "Reject 5 about tag 36, the numbers stay"),
    Case("reset-no-number", "SequenceReset to no number", "14 f", "Reject 6 about tag 36"),
    # Logout.
    Case("logout-own", "The exchange logs out", "12", "Logout, and the end once the client has answered"),
    Case("logout", "Logout", "13 b", "Logout, end", _HANGS_UP),
    Case("logout-too-high", "Logout whose MsgSeqNum is too high", "13 b", "Logout, end", _HANGS_UP),
    # Fields.
    Case("tag-undefined", "A tag that the version does not have", "14 a", "Reject 0"),
    Case("tag-zero", "Tag 0", "14 a", "Reject 0"),
    Case("field-missing", "A required field is missing", "14 b", "Reject 1 that names the tag"),
    Case(
        "tag-not-of-message",
        "A tag that FIX has, but not in this message",
        "14 c",
        "accepted",
        "FIX: Reject 2. Venues add fields to messages, and the exchange has no table of which message has which.",
    ),
    Case("no-value", "A tag without a value", "14 d", "Reject 4 that names the tag"),
    Case("bad-enum", "A value that the field does not have", "14 e", "Reject 5 that names the tag"),
    Case("bad-format", "A value of the wrong type", "14 f", "Reject 6 that names the tag"),
    Case("order-of-parts", "A header field in the body", "14 g", "Reject 14 that names the tag"),
    Case("repeated-tag", "A tag twice, outside of a group", "14 h", "Reject 13 that names the tag"),
    Case("repeated-header", "MsgSeqNum twice", "14 h", "Reject 13 about tag 34"),
    Case("group-count", "A group with fewer entries than it says", "14 i", "Reject 16 that names the tag"),
    Case("group-order", "A group that does not begin with its first field", "14 j", "Reject 15 that names the tag"),
    Case("soh-in-text", "A delimiter inside of a text", "14 k", "Reject 17, the next is expected"),
    Case("soh-injection", "A text that smuggles in a second quantity", "ours", "Reject 13 about tag 38, no order"),
    Case("data-field", "A delimiter inside of a data field", "14 k", "accepted"),
    Case("fields-in-any-order", "The fields of the body in another order", "15", "accepted"),
    Case("group-empty", "A group with no entries", "14 i", "accepted"),
    # Messages that wait, and messages that come twice.
    Case("queued", "Reports while the client is away", "16", "numbered, and sent when the client asks for them"),
    Case(
        "third-party",
        "OnBehalfOfCompID, DeliverToCompID",
        "18",
        "accepted, no use is made of them",
        "FIX leaves it to the firms; the exchange has no clients behind clients.",
    ),
    Case("poss-resend-known", "PossResend of an order that is known", "19 a", "its status, no second order"),
    Case("poss-resend-new", "PossResend of an order that is not", "19 b", "accepted"),
    Case("both-ask", "A ResendRequest whose own number is too high", "20", "the resend, then a ResendRequest"),
    # Streams that are no FIX.
    Case("body-length-2gb", "BodyLength of 2 GB", "ours", "end"),
    Case("endless-body", "Bytes without end behind the largest BodyLength", "ours", "end, within bounded memory"),
    Case("endless-bytes", "Bytes without end and without a message", "ours", "end, within bounded memory"),
    Case("garbage-between", "Garbage between two messages", "2 d", "ignored, the message after it counts"),
    Case("one-byte-at-a-time", "A message that comes byte by byte", "ours", "accepted"),
]
