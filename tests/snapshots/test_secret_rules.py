"""The catalogue stops what is planted, and its gate lets nothing pass that its rules would find."""

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.snapshots.planted_secrets import FORMATS, Planted, planted

from greenloop.snapshots.secret_rules import LONGEST_LOOSE, Rule, catalogue, entropy
from greenloop.snapshots.secrets import scan

PLANTED = list(planted())
LOOSE = next(rule for rule in catalogue().rules if rule.id == "generic-api-key")


def _samples(rule: Rule) -> st.SearchStrategy[bytes] | None:
    """Return texts made from ``rule``'s own expression, where Python's dialect can say it."""
    try:
        made = st.from_regex(re.compile(rule.regex.encode()))
        made.validate()
    except (re.error, FutureWarning):
        return None
    return made


SAMPLES = {rule: made for rule in catalogue().rules if (made := _samples(rule)) is not None}


def _unfiltered(content: bytes) -> str | None:
    return next((rule.id for rule in catalogue().rules if rule.holds(content)), None)


def test_at_least_98_in_100_planted_secrets_are_stopped() -> None:
    assert len(FORMATS) >= 20
    assert len(PLANTED) >= 200

    missed = [one for one in PLANTED if scan(one.text.encode()) is None]

    print(*(f"missed: {one.kind} in {one.context}" for one in missed), sep="\n")
    assert len(missed) <= 0.02 * len(PLANTED)


@pytest.mark.parametrize("one", PLANTED[::7], ids=lambda one: f"{one.kind} in {one.context}")
def test_the_gate_changes_no_answer_about_what_is_planted(one: Planted) -> None:
    assert catalogue().first(one.text.encode()) == _unfiltered(one.text.encode())


def test_most_rules_can_be_sampled() -> None:
    assert len(SAMPLES) >= 0.6 * len(catalogue().rules)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(sorted(SAMPLES, key=lambda rule: rule.id)))
def test_the_gate_finds_whatever_a_rule_matches(data: st.DataObject, rule: Rule) -> None:
    content = data.draw(st.binary(max_size=20)) + data.draw(SAMPLES[rule]) + data.draw(st.binary(max_size=20))

    found = catalogue().candidates(content)

    for other in (rule, LOOSE):
        if other.pattern.search(content) is not None:
            assert other in found
            assert other.holds(content, found[other]) == other.holds(content)


PIECES = st.sampled_from(
    ["api_key", "token", "secret", " = ", ": ", '"', "'", "\n", ", ", "x" * 60, "a1B2c3D4e5F6g7H8", "monkey", ";", "  ",
     "q9W8e7R6t5Y4u3I2o1P0", "self.cache_v2_key", "0" * 150, "é", "\\n", "->"],
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join))
def test_reading_only_the_parts_where_the_generic_rule_can_match_changes_no_answer(text: str) -> None:
    content = text.encode()

    assert LOOSE.holds(content, catalogue().candidates(content).get(LOOSE, [])) == LOOSE.holds(content)


@settings(max_examples=100, deadline=None)
@given(st.from_regex(re.compile(LOOSE.regex.encode()), fullmatch=True))
def test_a_match_of_the_generic_rule_is_no_longer_than_is_said(match: bytes) -> None:
    assert len(match) <= LONGEST_LOOSE


def test_entropy_is_in_bits_a_byte() -> None:
    assert entropy(b"") == 0.0
    assert entropy(b"aaaa") == 0.0
    assert entropy(b"abcd" * 5) == 2.0


def test_the_catalogue_takes_less_than_40_mib() -> None:
    program = (
        "def resident():\n    return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "before = resident()\nfrom greenloop.snapshots.secret_rules import catalogue\n"
        "catalogue().first(b'x = 1')\nprint(resident() - before)\n"
    )
    grown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert int(grown) < 40 << 20
