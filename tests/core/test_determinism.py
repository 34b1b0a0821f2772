"""Rule 8: the same inputs give the same journal, byte for byte, in any process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import msgspec
import pytest

from gateway.core.events import Record
from tests.core.test_machine import Machine, step

ROOT = Path(__file__).parents[2]


def journal(seed: int) -> bytes:
    """The records of a long random day."""
    random, machine = Random(seed), Machine()
    machine.start()
    for _ in range(150):
        step(machine, random)
    return msgspec.msgpack.encode(machine.world.records)


def digest_elsewhere(seed: int, hash_seed: str) -> str:
    """The journal's digest as another process finds it, with another order of hashes."""
    program = f"from tests.core.test_determinism import *; print(hashlib.sha256(journal({seed})).hexdigest())"
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_inputs_give_the_same_bytes_in_every_process(seed: int) -> None:
    here = journal(seed)
    assert len(msgspec.msgpack.decode(here, type=list[Record])) > 100
    digests = {digest_elsewhere(seed, hash_seed) for hash_seed in ("0", "1", "4711")}
    assert digests == {hashlib.sha256(here).hexdigest()}


def test_other_inputs_give_other_bytes() -> None:
    assert journal(1) != journal(2)
