"""What programs print, by the real top level in the real sandbox."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.builds.behaviour import Behaviour, BehaviourLimits, Programs, printed, program, reads_environment
from greenloop.builds.behaviour_store import Behaviours, BehaviourStore
from greenloop.builds.sandbox import Bubblewrap, Command, Completed, ScriptedSandbox
from greenloop.records import InfrastructureError, InputError, TreeId
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]


@pytest.fixture
def programs(store: TreeStore, tmp_path: Path) -> Programs:
    return Programs(store, Bubblewrap(), tmp_path / "scratch", BehaviourLimits(seconds=1, memory_mib=512))


def same(programs: Programs, write: Write, one: str, other: str) -> bool:
    first, second = programs.run([write({"a.ml": one}), write({"a.ml": other})])
    return first == second


SUM = "let rec sum l = match l with [] -> 0 | h :: t -> h + sum t\nlet _ = sum [1; 2; 3]\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SUM, SUM.replace("h + sum t", "sum t + h")),
        (SUM, f"(* a comment\n that moves everything *)\n\n{SUM}"),
        ("let x = 1", "let x = (1);;"),
        # the place of an exception moves with every edit above it
        ("let f = function 1 -> 2\nlet _ = f 3", "\n\n\nlet f   =   function 1 -> 2\nlet _ = f 3"),
        ("let a = 1\nlet _ = raise Not_found\nlet b = 2", "let a = 1\nlet _ = raise Not_found\nlet b = 3"),
        ("let rec f x = f x\nlet _ = f 1", "let rec f x = f   x\nlet _ = f 2"),
        ("let rec f x = 1 + f x\nlet _ = f 1", "let rec f x = 1 + f x\nlet _ = f 2"),
        ('let () = prerr_endline "one"', 'let () = prerr_endline "two"'),
    ],
)
def test_programs_that_print_the_same_are_the_same(programs: Programs, write: Write, one: str, other: str) -> None:
    assert same(programs, write, one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SUM, SUM.replace("h + sum t", "h * sum t")),
        (SUM, SUM.replace("[] -> 0", "[] -> 1")),
        (SUM, SUM.replace("let _ = sum", "let total = sum")),
        ("let x = 1", "let x = 1."),
        ("let x = 1", "let y = 1"),
        ("let x = 1\nlet y = 2", "let y = 2\nlet x = 1"),
        ("let f x = x", "let f x = x + 1"),
        ("type t = A | B", "type t = A | C"),
        ("let _ = raise Not_found", 'let _ = failwith "no"'),
        ("let _ = raise Not_found", "let _ = 1"),
        ("let rec f x = f x\nlet _ = f 1", "let rec f x = 1 + f x\nlet _ = f 1"),
        ("let a = 1\nlet rec f x = f x\nlet _ = f 1", "let a = 2\nlet rec f x = f x\nlet _ = f 1"),
        ('let () = print_string "one"', 'let () = print_string "two"'),
        ("let () = exit 1", "let () = exit 2"),
        ('let s = "a  b"', 'let s = "a b"'),
    ],
)
def test_programs_that_print_something_else_are_not(programs: Programs, write: Write, one: str, other: str) -> None:
    assert not same(programs, write, one, other)


def test_how_a_program_ends_is_told(programs: Programs, write: Write) -> None:
    texts = (SUM, "let rec f x = f x\nlet _ = f 1", "let () = exit 3", "let f x = x\nlet y = 2\nlet z = [y]")
    ends = programs.run([write({"a.ml": text}) for text in texts])
    assert [end.ending for end in ends] == ["end", "timeout", "exit 3", "end"]
    assert [end.results for end in ends] == [1, 0, 0, 2]


def test_a_program_can_neither_hold_the_machine_nor_reach_it(programs: Programs, write: Write, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    texts = (
        f'let c = open_in "{secret}"',
        "let rec f l = f (String.make 100000000 'x' :: l)\nlet _ = f []",
        'let () = while true do print_string "endless " done',
    )
    gone, memory, endless = programs.run([write({"a.ml": text}) for text in texts])
    (absent,) = programs.run([write({"a.ml": 'let c = open_in "/nowhere"'})])
    assert gone.results == absent.results == 0
    assert memory.ending == "end"
    assert memory.results == 0
    assert endless.ending == "timeout"
    assert programs.run([write({"a.ml": texts[2]})]) == (endless,)


def test_only_programs_of_one_file_are_run(programs: Programs, store: TreeStore, write: Write) -> None:
    for files in ({}, {"a.ml": "", "b.ml": ""}, {"a.ml": "", "a.mli": ""}, {"a.ml": "", "dune": ""}, {"a.mli": ""}):
        assert program(store, write(files)) is None
        with pytest.raises(InputError, match="no program of one"):
            programs.run([write(files)])
    assert program(store, write({"a.ml": "let x = 1", "notes.txt": "?"})) == b"let x = 1"


def test_a_program_that_gets_no_processor_time_is_a_fault_of_the_machine(
    store: TreeStore, write: Write, tmp_path: Path
) -> None:
    late = Completed(exit_status=None, stdout=b"", stderr=b"", seconds=60, timed_out=True, truncated=False)
    programs = Programs(store, ScriptedSandbox(lambda folder, command: late), tmp_path)
    with pytest.raises(InfrastructureError, match="no processor time"):
        programs.run([write({"a.ml": SUM})])


def test_what_is_known_is_not_run_again(store: TreeStore, write: Write, tmp_path: Path) -> None:
    outputs = iter([b"val x : int = 1\n", b"val x : int = 1\n", b"- : int = 7\n", b"- : int = 8\n"])

    def script(folder: Path, command: Command) -> Completed:
        return Completed(0, next(outputs), b"", 0.0, timed_out=False, truncated=False)

    sandbox = ScriptedSandbox(script)
    known = Behaviours(Programs(store, sandbox, tmp_path), BehaviourStore(tmp_path / "b.db"))
    steady, random = write({"a.ml": "let x = 1"}), write({"a.ml": "Random.int 9"})
    assert known.repeatable(steady)
    assert not known.repeatable(random)
    assert len(sandbox.asked) == 4
    again = Behaviours(Programs(store, sandbox, tmp_path), BehaviourStore(tmp_path / "b.db"))
    assert again.of([steady, random]) == known.of([random, steady])
    assert not again.repeatable(random)
    assert len(sandbox.asked) == 4


def test_other_limits_are_another_runner(store: TreeStore, tmp_path: Path) -> None:
    one = Programs(store, Bubblewrap(), tmp_path)
    other = Programs(store, Bubblewrap(), tmp_path, BehaviourLimits(seconds=9))
    assert one.fingerprint() == Programs(store, Bubblewrap(), tmp_path / "elsewhere").fingerprint()
    assert one.fingerprint() != other.fingerprint()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("let t = Sys.time ()", "Sys.time"),
        ("let () = Random.self_init ()", "self_init"),
        ("let () = Random.State.make_self_init ()", "make_self_init"),
        ("let l = read_line ()", "read_line"),
        ("let x = Random.int 3", ""),
        ("let systematic = List.map", ""),
    ],
)
def test_programs_that_read_their_surroundings_are_named(source: str, found: str) -> None:
    assert reads_environment(source.encode()) == found


def test_the_banner_of_old_and_new_compilers_goes() -> None:
    rest = b"val x : int = 1\n\nval y : int = 2\n"
    assert printed(b"        OCaml version 4.13.1\n\n" + rest) == rest
    assert printed(b"OCaml version 5.3.0\nEnter #help;; for help.\n\n" + rest) == rest
    assert printed(rest) == rest


def test_a_behaviour_survives_its_json() -> None:
    one = Behaviour(ending="end", digest="0" * 64, results=3)
    assert Behaviour.from_json(one.to_json()) == one
