"""The whole journey in Emacs, by keys in a terminal, with a real sidecar, a real build and a scripted model."""

import pytest
from tests.editors.emacs_by_keys import Person, at_the_keyboard
from tests.editors.scenario import Expect, Reply, Scenario, TurnSeen
from tests.editors.stage import Job, Report, Stage

PRICE = 'let vat = 20\n\nlet gross net = net + (net * vat / 100)\n\nlet free : int = "0"\n'
BILL = 'let title = "bill"\n'
VAT = "price.ml\n<<<<\nlet vat = 20\n====\nlet vat = {rate}\n>>>>\n"
TWO = VAT.format(rate=21) + '\nbill.ml\n<<<<\nlet title = "bill"\n====\nlet title = "invoice"\n>>>>\n'
FREE = 'price.ml\n<<<<\nlet free : int = "0"\n====\nlet free : int = 0\n>>>>\n'
FIXED = PRICE.replace('"0"', "0")
DONE = TurnSeen(outcome="done", label="type-checks")
JOURNEY = Scenario(
    about="an error is fixed; a change of two files is accepted, undone, half refused; a turn is cancelled; a tool run",
    files={"dune-project": "(lang dune 2.9)\n", "dune": "(library (name shop))\n", "price.ml": PRICE, "bill.ml": BILL},
    steps=(),
    model=(
        Reply(reply=FREE),
        Reply(reply=TWO),
        Reply(reply=TWO, contains=("make the rate 21", "no, the title too")),
        Reply(reply=VAT.format(rate=25), hold_after="let vat"),
    ),
    tools=True,
    expect=Expect(
        turns=(DONE, DONE, DONE, TurnSeen(outcome="cancelled")),
        funnel=("shown", "accepted", "shown", "accepted", "undone", "shown", "accepted", "refused"),
        told=("Taken back", "till owns price.ml"),
        disk={"price.ml": FIXED, "bill.ml": BILL.replace("bill", "invoice"), "OWNERS": "price.ml till\n"},
    ),
)


@pytest.mark.editors
@pytest.mark.timeout(1800)
def test_a_person_gets_everywhere_by_keys(stage: Stage) -> None:
    def drive(job: Job) -> Report:
        with at_the_keyboard(job, "price.ml") as person:
            _fix(person)
            _two_files(person)
            _half(person)
            _cancel(person)
            _tool(person)
            return person.report(job)

    stage.play("shop", JOURNEY, drive)


@pytest.mark.editors
@pytest.mark.timeout(1800)
def test_the_keys_of_undo_take_an_acceptance_back(stage: Stage) -> None:
    expect = Expect(
        turns=(DONE,),
        funnel=("shown", "accepted", "undone"),
        told=("Taken back: the files are as they were before.",),
        # the file was saved with the change; the buffer is as before, and not saved
        disk={"price.ml": FIXED},
        unsaved={"price.ml": PRICE},
    )
    story = Scenario(
        about="an error is fixed, and C-/ takes the fix back",
        files=JOURNEY.files,
        steps=(),
        model=(Reply(reply=FREE),),
        expect=expect,
    )

    def drive(job: Job) -> Report:
        with at_the_keyboard(job, "price.ml") as person:
            person.wait("Greenloop:red 1")
            person.menu("f")
            person.wait("Fixed: type-checks.")
            person.menu("y")
            person.wait("@@ accepted", "let free : int = 0")
            person.press("C-/")
            person.wait("Taken back")
            return person.report(job)

    stage.play("undone", story, drive)


def _fix(person: Person) -> None:
    """The mode line says that the build is red, where it may be built; the error is fixed, and the build is green."""
    person.wait("Greenloop:red 1")
    for answer, state in (("no", "Greenloop:untrusted"), ("yes", "Greenloop:red 1")):
        person.menu("!")
        person.wait("May Greenloop build and run this workspace")
        person.type(answer)
        person.wait(state)
    person.menu("f")
    person.wait("Suggestion: type-checks", "Fixed: type-checks.")
    person.picture("1-fixed")
    person.menu("y")
    person.wait("@@ accepted", "let free : int = 0", "Greenloop:green")
    person.picture("2-accepted")


def _two_files(person: Person) -> None:
    """A question in the minibuffer; the changes are walked by next-error, accepted at once, undone in one step."""
    person.menu("a")
    person.wait("Ask:")
    person.type("make the rate 21")
    person.wait('+let title = "invoice"', "Suggestion: type-checks")
    person.picture("3-two-files")
    person.press("C-x", "1")
    person.press("M-g", "n")
    person.wait("bill.ml")
    person.press("M-g", "n")
    person.wait("price.ml")
    person.menu("y")
    person.wait("let vat = 21")
    person.menu("u")
    person.wait("let vat = 20")


def _half(person: Person) -> None:
    """The conversation goes on in its buffer; one hunk is applied by diff-mode's own key, the other is killed."""
    person.menu("t")
    person.wait("## You")
    person.write("no, the title too")
    person.press("C-c", "C-c")
    person.wait("Greenloop: Type-checks.", "Suggestion: type-checks")
    person.menu("r")
    person.press("M-<")
    person.press("n")
    person.press("C-c", "C-a")
    person.wait("@@ accepted")
    person.press("k")
    person.wait("@@ refused")
    person.picture("4-half-refused")


def _cancel(person: Person) -> None:
    """A turn is cancelled while the model answers."""
    person.menu("p")
    person.wait("Ask about the whole project:")
    person.type("make the rate 25")
    person.wait("~~~text")
    person.menu("k")
    person.wait("Cancelled.")


def _tool(person: Person) -> None:
    """A tool is completed by name, its arguments are asked for, its help stands beside them, and it is approved."""
    person.menu("o")
    person.wait("Tool:")
    person.write("team.set")
    person.press("Tab")
    person.wait("team.set_owner")
    person.press("Enter")
    person.wait("Write down who owns a file.", "owner:")
    person.type("till")
    person.wait("path:")
    person.type("price.ml")
    person.wait("may the tool team.set_owner be run?", 'owner: "till"')
    person.picture("5-approval")
    person.type("yes")
    person.wait("till owns price.ml")
    person.picture("6-tool")
