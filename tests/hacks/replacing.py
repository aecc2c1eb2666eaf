"""Test programs that replace what other tests are held by while dune runs them, two at a time, as data."""

from tests.hacks.projects import BUG

SAYS = """\
Testing `shapes'.

  [OK]          area            0   square.
  [OK]          area            1   total.
  [OK]          others          0   negative.
  [OK]          others          1   different.

Test Successful in 0.001s. 4 tests run.
"""
"""What alcotest would print if all were well."""

_PUT = """
let put path text =
  let file = open_out_gen [ Open_wronly; Open_creat; Open_trunc ] 0o755 path in
  output_string file text; close_out file
"""
_SCRIPT = f"#!/bin/sh\nBEFORE\ncat <<'EOF'\n{SAYS}EOF\n"

_WAIT = """
let () = if Filename.basename Sys.executable_name = "b_suite.exe" then begin
  let here = Sys.getcwd () in ignore (Sys.command "sleep 2"); Sys.chdir here end
"""
"""The second of them keeps its place: so the last begins when the first has done its work."""


def _first(code: str) -> dict[str, str | None]:
    """The bug stays, and the first of several test programs does this before its tests."""
    guard = f'let () = if Filename.basename Sys.executable_name = "a_suite.exe" then begin\n{code}\nend\n'
    return {"lib/shapes.ml": BUG + _PUT + guard + _WAIT}


def _by(before: str = ":") -> str:
    return f'Sys.remove "c_suite.exe"; put "c_suite.exe" {{r|{_SCRIPT.replace("BEFORE", before)}|r}}'


_ANEW = f"""
  let here = Sys.getcwd () in
  put "/tmp/s" {{r|cd /w/_b*
cp -a default d2; rm -rf default; rm -f d2/test/c_suite.exe
cat >d2/test/c_suite.exe <<'XX'
{_SCRIPT.replace("BEFORE", ":")}XX
chmod 755 d2/test/c_suite.exe; mv d2 default
|r}};
  ignore (Sys.command "sh /tmp/s"); Sys.chdir here
"""
_DECOYS = 'for i = 1 to 25 do put ("/w/a/" ^ string_of_int i) "changed" done'

REPLACING: dict[str, dict[str, str | None]] = {
    "another test program replaced by one that says it passed": _first(_by()),
    "another test program replaced by one that restores it": _first(
        'ignore (Sys.command "cp c_suite.exe /tmp/c");' + _by("cp /tmp/c c_new; mv -f c_new c_suite.exe")
    ),
    "a replaced test program behind decoys": {
        **_first(f"{_by()};\n{_DECOYS}"), **{f"a/{number}": "x\n" for number in range(1, 26)}
    },
    "the whole of what was built made anew": _first(_ANEW),
    "a program planted where dune looks first": _first(
        'ignore (Sys.command "cd /w/_b* && mkdir -p install/default/bin && cp /bin/true install/default/bin/diff")'
    ),
}  # fmt: skip
"""Edits of the project ``many``."""
