"""Steps after which an error may only be hidden: the build may not come to its file any more.

A module that begins to name a broken one is not compiled until that is mended, and its own errors are not seen. So a
step that is believed because errors went changes the one file that they were in, which is OCaml, and brings no name of
a module that the file did not have. Every capital is taken for one, but those of the standard library.
"""

from greenloop.mining.filters.candidate import Candidate
from greenloop.mining.filters.rule import Filter
from greenloop.records import Origin

_STANDARD = frozenset(
    b"""
    Arg Array Buffer Bytes Char Either Error Exit Failure Filename Float Format Fun Hashtbl In_channel Int Int32 Int64
    Invalid_argument Lazy Lexing List Map Nativeint None Not_found Ok Option Out_channel Parsing Printexc Printf Queue
    Random Result Scanf Seq Set Some Stack Stdlib Str String Sys Uchar Unit Unix
    """.split()
)


def _may_hide(pair: Candidate) -> bool:
    paths = {error.path for error in pair.shown}
    if len(pair.files) != 1 or paths != {pair.files[0].path}:
        return True
    (file,) = pair.files
    come = {word for word in file.new_words - file.old_words if word[:1].isupper()}
    return file.language is None or bool(come - _STANDARD) or bool(come & _modules(pair))


def _modules(pair: Candidate) -> frozenset[bytes]:
    """The modules of the project by their files: one may be called like one of the standard library."""
    stems = (path.rpartition("/")[2].partition(".")[0] for path in pair.store.files(pair.base.tree))
    return frozenset((stem[:1].upper() + stem[1:]).encode("utf-8", "replace") for stem in stems)


RULE = Filter("a step that may hide its error", lambda pair: pair.origin is Origin.SHRINKING and _may_hide(pair))
