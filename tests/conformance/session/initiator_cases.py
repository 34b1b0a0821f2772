"""What FIX asks of the initiator of a session: one row for each case that its test document, or the firm, has.

`source` names the case in "FIX session layer test cases" (fixtrading.org); B stands for the initiator's own. "ours" are
cases that the document does not have.
"""

from tests.conformance.session.acceptor_cases import Case

_LATENCY = "FIX: Reject 10 and Logout. A fill is a fill however wrong a clock is, and refused it would be lost."
_CODEC = "FIX: Reject. What an application message says is judged by the gateway's codec, which keeps it whole."

INITIATOR_CASES = [
    # Logon.
    Case("logon", "Connect, and a valid Logon in reply", "1B a, b", "Logon with MsgSeqNum 1; the session is up"),
    Case("logon-too-high", "A Logon whose MsgSeqNum is too high", "1B c", "up, ResendRequest from the gap"),
    Case(
        "logon-too-low", "A Logon whose MsgSeqNum is too low", "2 c", "Logout that names both numbers, end; held down"
    ),
    Case("logon-garbled", "A Logon with a wrong CheckSum", "1B d", "end, and another attempt"),
    Case("logon-no-answer", "No Logon in reply", "ours", "end after LogonTimeout, and another attempt"),
    Case("not-a-logon", "A first message that is no Logon", "1B e", "end without a word; not up"),
    Case("logon-refused", "A Logout in reply: our CompIDs are logged on already", "ours", "down, the text is kept"),
    Case("logon-sender", "A Logon with another SenderCompID", "1B d", "end without a word; not up"),
    Case("logon-target", "A Logon with another TargetCompID", "1B d", "end without a word; not up"),
    Case("logon-begin-string", "A Logon with another BeginString", "1B d", "Logout that says so; not up"),
    Case(
        "logon-reset", "ResetSeqNumFlag that was not asked for", "9", "Logon with MsgSeqNum 1; reported as unexpected"
    ),
    Case(
        "logon-again",
        "A Logon in the middle of a session",
        "2 q",
        "end, and another attempt",
        "FIX: Reject. QuickFIX ends the connection; nothing is lost, the next Logon asks for what is missing.",
    ),
    # The standard header.
    Case("seq-expected", "MsgSeqNum as expected", "2 a", "accepted, the next is expected"),
    Case("seq-too-high", "MsgSeqNum too high", "2 b", "one ResendRequest from the gap; all are done in order"),
    Case("seq-too-low", "MsgSeqNum too low without PossDupFlag", "2 c", "Logout that names both numbers, end"),
    Case(
        "seq-missing",
        "No MsgSeqNum",
        "2 c",
        "ignored, the number is still expected",
        "FIX: Logout. QuickFIX drops the message without a word, and what has no number cannot be asked for: a fill "
        "sent so is found by reconciliation only.",
    ),
    Case("poss-dup-known", "PossDupFlag with a number already received", "2 e", "ignored"),
    Case("poss-dup-new", "PossDupFlag with a number not yet received", "2 e", "accepted"),
    Case("poss-dup-time", "OrigSendingTime after SendingTime", "2 f", "Reject 10, Logout"),
    Case("poss-dup-no-time", "PossDupFlag without OrigSendingTime", "2 g", "Reject 1 about tag 122"),
    Case("begin-string", "Another BeginString in the session", "2 i", "Logout that says so"),
    Case("sender-comp-id", "Another SenderCompID in the session", "2 k", "Reject 9, Logout"),
    Case("target-comp-id", "Another TargetCompID in the session", "2 k", "Reject 9, Logout"),
    Case("sending-time", "SendingTime that is years off", "2 o", "accepted", _LATENCY),
    Case("msg-type-unknown", "A MsgType that FIX does not have", "2 q", "Reject 11, the next is expected"),
    Case("msg-type-unsupported", "A MsgType that the gateway does not take", "2 r", "BusinessMessageReject 3"),
    # Garbled.
    Case("garbled-check-sum", "A wrong CheckSum", "2 d, 3 b", "ignored, the number is still expected"),
    Case("body-length-short", "BodyLength too small", "2 m", "ignored, the number is still expected"),
    Case(
        "body-length-long",
        "BodyLength too large",
        "2 m",
        "ignored, and the message after it with it; both are asked for",
        "FIX: only the garbled one. QuickFIX reads on to the next CheckSum; the ResendRequest makes it good.",
    ),
    Case("no-fix", "Bytes that are no FIX, then a message", "ours", "ignored, the number is still expected"),
    Case(
        "body-length-no-number",
        "BodyLength that is no number, behind a good message",
        "2 m",
        "Logout, end, and another attempt; the good message counts once",
        "FIX: ignored. QuickFIX takes the good message before it a second time and finds its number too low. A number "
        "that is too low in a session therefore does not hold the session down: only one at the Logon does.",
    ),
    # Heartbeats.
    Case("heartbeat-sent", "Nothing to send for HeartBtInt", "4 a", "Heartbeat"),
    Case("test-request", "TestRequest", "4 b", "Heartbeat with the TestReqID"),
    Case("test-request-no-id", "TestRequest without TestReqID", "14 b", "Reject 1 about tag 112"),
    Case("heartbeat", "Heartbeat", "5", "accepted, no answer"),
    Case("silent-venue", "Nothing received for more than HeartBtInt", "6", "TestRequest, then end"),
    # Rejects.
    Case("reject", "Reject of an order", "7", "accepted, no answer; it names the order"),
    Case("business-reject", "BusinessMessageReject of an order", "7", "accepted, no answer; it names the order"),
    # Sequence numbers.
    Case("resend-all", "ResendRequest from 1 to infinity after a reconnect", "8", "one gap fill, no order again"),
    Case("resend-range", "ResendRequest of an order of this connection", "8", "that order with PossDupFlag"),
    Case(
        "resend-backwards",
        "ResendRequest whose end is before its begin",
        "8",
        "a gap fill that leads nowhere, the next is expected",
        "FIX: Reject 5. QuickFIX answers nonsense with nonsense; no order goes out.",
    ),
    Case("gap-fill", "Gap fill to a higher number", "10 b", "that number is expected"),
    Case("gap-fill-too-high", "Gap fill whose MsgSeqNum is too high", "10 a", "ResendRequest"),
    Case("gap-fill-poss-dup", "Gap fill already received, with PossDupFlag", "10 c", "ignored"),
    Case("gap-fill-too-low", "Gap fill already received, without PossDupFlag", "10 d", "Logout, end"),
    Case("gap-fill-backwards", "Gap fill to a lower number", "10 e", "Reject 5"),
    Case("reset-higher", "SequenceReset to a higher number, whatever its MsgSeqNum", "11 a", "that number is expected"),
    Case("reset-equal", "SequenceReset to the number that is expected", "11 b", "accepted"),
    Case("reset-lower", "SequenceReset to a lower number", "11 c", "Reject 5, the numbers stay"),
    # Logout.
    Case("logout-own", "The gateway logs out", "12", "Logout, and the end once the venue has answered"),
    Case("logout-own-no-answer", "The gateway logs out, without an answer", "12", "Logout, end after LogoutTimeout"),
    Case("logout", "Logout", "13 a", "Logout, end; the text is kept"),
    Case("logged-off", "An order while the session is not up", "ours", "refused; it has no number and is never sent"),
    # Fields.
    Case(
        "tag-undefined",
        "A tag that the version does not have",
        "14 a",
        "accepted",
        "FIX: Reject 0. Venues add fields to messages, and a fill must not be lost for one.",
    ),
    Case(
        "tag-zero",
        "Tag 0",
        "14 a",
        "accepted",
        "FIX: Reject 0. As with any tag that is not known.",
    ),
    Case("no-value", "A tag without a value", "14 d", "accepted", "FIX: Reject 4. Of a field that does not count."),
    Case("bad-format", "A value of the wrong type", "14 f", "BusinessMessageReject 0", _CODEC),
    Case("repeated-tag", "A tag twice, outside of a group", "14 h", "Reject 13 that names the tag"),
    Case("soh-in-text", "A delimiter inside of a text", "14 k", "ignored, the number is still expected"),
    Case("soh-injection", "Our own text that smuggles in a quantity", "ours", "refused, nothing is sent"),
]
