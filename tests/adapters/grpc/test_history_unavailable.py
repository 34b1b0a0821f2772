"""What cannot be read now is "not now" to a caller: no refusal of its command, and nothing to take another key for."""

import pytest

from gateway.adapters.grpc.calls import told
from gateway.adapters.grpc.errors import ApiReason, Code, Failure
from gateway.adapters.grpc.replies import reply
from gateway.client.errors import Unavailable, of_status
from gateway.core.engine import Answer
from gateway.runtime.ports import JournalError
from tests.adapters.grpc.harness import read_status

WHY = "seq 1 to 7 are not in the archive /a: put the archive's files back there"


def test_a_command_that_names_it_gets_no_answer_and_its_key_may_be_spent() -> None:
    with pytest.raises(Failure) as failed:
        reply(Answer(out_of_reach=WHY), "k-1")
    said = read_status(failed.value.status())
    assert (said.code, said.reason) == (Code.UNAVAILABLE, ApiReason.HISTORY_UNAVAILABLE.value)
    assert said.metadata == {"key_spent": "unknown", "cl_ord_id": "k-1"}
    assert WHY in said.text


def test_our_client_takes_it_for_no_refusal() -> None:
    with pytest.raises(Failure) as failed:
        reply(Answer(out_of_reach=WHY), "k-1")
    seen = of_status(failed.value.status())
    assert seen.is_transient
    assert not seen.is_overload
    assert isinstance(seen.error("k-1"), Unavailable)


def test_a_question_about_it_is_answered_in_the_same_way_and_is_no_defect() -> None:
    assert told("gateway.v1.OrderService/GetOrder", JournalError(WHY)).reason is ApiReason.HISTORY_UNAVAILABLE
