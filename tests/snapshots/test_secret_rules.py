"""The catalogue stops what is planted, and its gate lets nothing pass that its rules would find."""

import re
import subprocess
import sys
import tomllib
from importlib import resources
from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.snapshots.planted_secrets import FORMATS, Planted, planted

from greenloop.snapshots.secret_rules import catalogue
from greenloop.snapshots.secret_rules.detectors import LEFT_OUT, in_linear_time, installed
from greenloop.snapshots.secret_rules.rule import Guards, Rule, entropy, linear
from greenloop.snapshots.secrets import scan

PLANTED = list(planted())
WIDE = [rule for rule in catalogue().rules if rule.reach]


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

    for other in (rule, *WIDE):
        if other.pattern.search(content) is not None:
            assert other in found
            assert other.holds(content, found[other]) == other.holds(content)


PIECES = st.sampled_from(
    ["api_key", "token", "secret", " = ", ": ", '"', "'", "\n", ", ", "x" * 60, "a1B2c3D4e5F6g7H8", "monkey", ";", "  ",
     "q9W8e7R6t5Y4u3I2o1P0", "self.cache_v2_key", "0" * 150, "é", "\\n", "->"],
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join))
def test_reading_only_the_parts_where_a_wide_rule_can_match_changes_no_answer(text: str) -> None:
    content = text.encode()

    found = catalogue().candidates(content)

    for rule in WIDE:
        assert rule.holds(content, found.get(rule, [])) == rule.holds(content)


@pytest.mark.parametrize("rule", WIDE, ids=lambda rule: rule.id)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_match_of_a_wide_rule_lies_within_its_reach(rule: Rule, data: st.DataObject) -> None:
    match = data.draw(st.from_regex(re.compile(rule.regex.encode()), fullmatch=True))

    (start, end), *_ = catalogue().candidates(b"\n" * 500 + match + b"\n" * 500)[rule]

    assert start <= 500
    assert end >= 500 + len(match)


def test_every_detector_of_the_installed_package_is_a_rule_or_is_left_out_by_name() -> None:
    used = {rule.id for rule in catalogue().rules} & set(installed())
    assert used | set(LEFT_OUT) == set(installed())
    assert not used & set(LEFT_OUT)
    assert len(installed()) - len(LEFT_OUT) >= 17


PATTERNS = [pattern for kind, it in installed().items() if kind not in LEFT_OUT for pattern in it[1]]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.pattern[:40])
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_detector_s_pattern_in_linear_time_finds_what_the_pattern_finds(
    pattern: re.Pattern[str], data: st.DataObject
) -> None:
    # without the four separators below the blank, which are blanks to Python's text alone
    printable = st.characters(min_codepoint=32, max_codepoint=126)
    made = data.draw(st.from_regex(pattern, alphabet=printable))
    text = data.draw(st.text(printable, max_size=3)) + made + data.draw(st.text(printable, max_size=3))

    found = linear(in_linear_time(pattern)).search(text.encode())

    assert (found is not None) == (pattern.search(text) is not None)


def test_a_pattern_that_needs_more_than_linear_time_is_refused() -> None:
    with pytest.raises(ValueError, match="blanks and comments"):
        in_linear_time(re.compile("a b  # c", re.VERBOSE))
    with pytest.raises(re2.error):
        linear(in_linear_time(re.compile("(?<=a)b")))


def test_guards_ask_for_all_they_name() -> None:
    guards = Guards(entropy=1.5, needs=(linear("[0-9]"),), refused=(linear("no"),), refused_around=(linear("^x"),))

    assert guards.let_through(b"abc1", b" abc1 ")
    assert not guards.let_through(b"abcd", b" abcd "), "no digit"
    assert not guards.let_through(b"aaa1", b" aaa1 "), "little entropy"
    assert not guards.let_through(b"no12", b" no12 "), "refused"
    assert not guards.let_through(b"abc1", b"xabc1 "), "refused around"


OWN = tomllib.loads(resources.files("greenloop.snapshots.secret_rules").joinpath("own.toml").read_text("utf-8"))


def test_guards_are_given_to_detectors_that_exist() -> None:
    assert set(OWN["detectors"]) <= set(installed()) - set(LEFT_OUT)


@pytest.mark.parametrize("rule", OWN["rules"], ids=lambda rule: rule["id"])
def test_every_rule_of_our_own_names_its_source(rule: dict[str, Any]) -> None:
    lines = resources.files("greenloop.snapshots.secret_rules").joinpath("own.toml").read_text("utf-8").splitlines()
    assert lines[lines.index(f'id = "{rule["id"]}"') - 1].startswith("# ")


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
