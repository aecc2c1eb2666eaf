"""What a dune project says of its modules: which of them may change while a persistent dune watches.

Read from the base's dune files once. An edit may go to a persistent checker only when it can neither make code run
while types are checked nor change how the project is built. So every stanza is understood or its folder is left to
the runner; a project with anything that could reach everywhere is left to it altogether. In doubt: not safe.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from greenloop.builds.sexp import Sexp, SexpError, atoms, fields, head, read
from greenloop.records import TreeId
from greenloop.workspace.store import Change, Mode, TreeStore

_MODULES = frozenset({"library", "executable", "executables", "test", "tests"})
_HARMLESS = frozenset(
    {"documentation", "install", "license", "deprecated_library_name", "env", "dirs", "data_only_dirs", "vendored_dirs"}
    | {"ignored_subdirs", "formatting", "include_subdirs", "cram", "ocamllex", "ocamlyacc", "menhir", "jbuild_version"}
)
"""Stanzas that run no code of the project: what lexers and parsers are generated from are files of other kinds."""
_KNOWN_FIELDS = frozenset(
    {"name", "names", "public_name", "public_names", "libraries", "modules", "flags", "ocamlc_flags", "ocamlopt_flags"}
    | {"link_flags", "wrapped", "synopsis", "package", "modes", "modules_without_implementation", "private_modules"}
    | {
        "root_module",
        "allow_overlapping_dependencies",
        "deps",
        "action",
        "promote",
        "locks",
        "no_dynlink",
        "no_keep_locs",
    }
    | {"library_flags", "c_library_flags", "build_if", "enabled_if", "optional", "license"}
)
"""Fields of a stanza with modules that make nothing run while types are checked; a test's action is run by tests."""
_FAR_REACHING = re.compile(r"%\{(?:read|read-lines|read-strings)\b|^-(?:pp|ppx|plugin)$")
"""Values read from files, and compilers' options that run a program."""
_SHELLS = frozenset({"system", "bash", "dynamic-run", "run_dune", "pipe-stdout", "pipe-stderr", "pipe-outputs"})
"""Actions whose inputs cannot be read off them."""
_SCRIPTED = frozenset({"ocaml", "ocamlrun", "ocamlfind", "utop", "dune", "sh", "bash", "make", "env", "xargs"})
"""Programs that run whatever they are handed."""
_GENERATES = re.compile(r"\.(?:mli?|mll|mly|mlt|rei?|eliomi?|c|h|cpp|inc|sexp|dune|flags)$")
"""What a build may want while it checks types; other products are wanted when another stanza names them."""
_PLAIN = re.compile(r"[a-zA-Z][A-Za-z0-9_']{0,100}\.mli?")
_ANYWHERE = "//"
"""Stands for every folder."""
_ALL = "**"
"""Stands for every file of a folder and of those below it."""
_VARIABLE = re.compile(r"%\{([^}:]*)(?::([^}]*))?\}")


@dataclass
class _Stanza:
    """One stanza and the folder that it speaks of; ``""`` is the root."""

    folder: str
    kind: str
    sexp: Sexp

    def values(self, name: str) -> Iterator[Sexp]:
        for key, values in fields(self.sexp):
            if key == name:
                yield from values

    @property
    def names(self) -> set[str]:
        found = {atom for name in ("name", "names", "public_name", "public_names") for atom in _flat(self.values(name))}
        return {_stem(name) for name in found} | found


@dataclass
class Project:
    """Which modules of one base tree may be edited under a persistent checker.

    ``safe_folders`` hold modules and nothing else that a build could run or read; ``inputs`` are (folder, pattern) of
    what rules read. ``refusal`` says why none may be, where that is so.
    """

    safe_folders: frozenset[str] = frozenset()
    inputs: tuple[tuple[str, str], ...] = ()
    refusal: str = ""
    folders: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    """The files of each folder in the base."""

    def safe(self, changes: Sequence[Change]) -> bool:
        """Whether all changes are of plain modules whose code never runs while types are checked."""
        if self.refusal or not all(self._is_safe(change) for change in changes):
            return False
        gone = {change.path for change in changes if change.new is None}
        # a folder goes with its last file, and what dune makes of that is the runner's business
        return all(self.folders[folder] - gone for folder in map(_folder, gone))

    def _is_safe(self, change: Change) -> bool:
        path = PurePosixPath(change.path)
        modes = {entry.mode for entry in (change.old, change.new) if entry is not None}
        folder = _folder(change.path)
        return (
            modes == {Mode.FILE}
            and _PLAIN.fullmatch(path.name) is not None
            and folder in self.safe_folders
            and not any(at in {folder, _ANYWHERE} and fnmatchcase(path.name, pattern) for at, pattern in self.inputs)
            and not any(pattern == _ALL and _below(folder, at) for at, pattern in self.inputs)
        )


def read_project(store: TreeStore, tree: TreeId) -> Project:
    """Return what the dune files of a tree allow."""
    files = store.files(tree)
    try:
        stanzas = [stanza for path in files for stanza in _stanzas(store, tree, path)]
        folders: dict[str, set[str]] = {}
        for path in files:
            folders.setdefault(_folder(path), set()).add(path)
        return _judge(stanzas, {folder: frozenset(paths) for folder, paths in folders.items()})
    except (_FarReachingError, SexpError) as doubt:
        return Project(refusal=str(doubt))


class _FarReachingError(Exception):
    """Something in the project could reach any file of it."""


def _stanzas(store: TreeStore, tree: TreeId, path: str) -> Iterator[_Stanza]:
    """Yield the stanzas of a file, if it is one of dune's."""
    name = PurePosixPath(path).name
    if name not in {"dune", "dune-project", "dune-workspace", "jbuild", "dune-file"}:
        return
    if name in {"dune-workspace", "jbuild"}:
        raise _FarReachingError(f"{path}: not read here")
    text = (store.read(tree, path) or b"").decode("utf-8", "replace")
    if "(* -*- tuareg -*- *)" in text.partition("\n")[0]:
        raise _FarReachingError(f"{path}: an OCaml program")
    sexps = read(text)
    if name == "dune":
        yield from _nested(sexps, _folder(path), path)
    elif any(head(sexp) == "dialect" for sexp in sexps):
        raise _FarReachingError(f"{path}: a dialect of its own")


def _nested(sexps: Iterable[Sexp], folder: str, path: str) -> Iterator[_Stanza]:
    for sexp in sexps:
        kind = head(sexp)
        if kind == "subdir" and isinstance(sexp, tuple) and len(sexp) > 1 and isinstance(sexp[1], str):
            yield from _nested(sexp[2:], _join(folder, sexp[1]), path)
        else:
            yield _Stanza(folder, kind, sexp)


def _judge(stanzas: Sequence[_Stanza], folders: Mapping[str, frozenset[str]]) -> Project:
    modules = [stanza for stanza in stanzas if stanza.kind in _MODULES]
    others = [stanza for stanza in stanzas if stanza.kind not in _MODULES | _HARMLESS]
    harmless = [stanza for stanza in stanzas if stanza.kind in _HARMLESS]
    rules, inputs = _rules(others, [*modules, *harmless])
    for stanza in [*modules, *harmless]:
        if any(_FAR_REACHING.search(atom) for atom in atoms(stanza.sexp)):
            raise _FarReachingError(f"{stanza.folder}: a stanza reads files, or has the compiler run a program")
    ran: set[str] = set()
    doubtful: set[str] = set()
    for stanza in modules:
        unknown = [(key, values) for key, values in fields(stanza.sexp) if key not in _KNOWN_FIELDS]
        bare = [part for part in stanza.sexp[1:] if isinstance(part, str)] if isinstance(stanza.sexp, tuple) else []
        if unknown or bare:
            doubtful.add(stanza.folder)
            ran |= {_stem(atom) for _, values in unknown for atom in _flat(values)}
    for stanza in [*rules, *(one for one in harmless if one.kind in {"env", "install"})]:
        # a program that a rule runs may be known to it by the name under which it is installed
        ran |= {_stem(atom) for atom in _words(stanza.sexp)} if rules or stanza.kind == "env" else set()
    owners = {stanza.folder for stanza in modules}
    owners |= _subfolders(harmless, owners, folders)
    unsafe = doubtful | {stanza.folder for stanza in _closure(modules, ran)}
    unsafe |= _subfolders(harmless, unsafe, folders)
    return Project(frozenset((owners - unsafe) & folders.keys()), tuple(inputs), folders=folders)


def _rules(others: Sequence[_Stanza], named_by: Sequence[_Stanza]) -> tuple[list[_Stanza], list[tuple[str, str]]]:
    """Return the rules that may run while types are checked, and what they and copies read."""
    rules: list[_Stanza] = []
    inputs: list[tuple[str, str]] = []
    waiting: list[_Stanza] = []
    for stanza in others:
        if stanza.kind in {"copy_files", "copy_files#"}:
            rules.append(stanza)
        elif stanza.kind == "alias":
            if "check" in set(_flat(stanza.values("name"))):
                raise _FarReachingError("an alias `check` of its own")
        elif stanza.kind == "rule":
            waiting.append(stanza)
        else:
            raise _FarReachingError(f"a stanza `{stanza.kind}`")
    mentioned = {_last(atom) for stanza in [*named_by, *rules] for atom in _words(stanza.sexp)}
    while wanted := [rule for rule in waiting if _may_be_wanted(rule, mentioned)]:
        waiting = [rule for rule in waiting if rule not in wanted]
        rules += wanted
        mentioned |= {_last(atom) for rule in wanted for atom in _words(rule.sexp)}
    for rule in rules:
        words = set(_words(rule.sexp))
        if words & _SHELLS or {_stem(word) for word in words} & _SCRIPTED:
            raise _FarReachingError(f"{rule.folder}: a rule that hands a script to an interpreter")
        if words & {"universe", "package"}:
            raise _FarReachingError(f"{rule.folder}: a rule that depends on the universe, or on a package")
        inputs += [_input(rule.folder, word) for word in words]
        inputs += [
            (_join(rule.folder, _before_glob(atom)), _ALL)
            for part in _lists(rule.sexp)
            if head(part) in {"source_tree", "glob_files_rec"}
            for atom in _flat(part[1:])
        ]
    return rules, inputs


def _may_be_wanted(rule: _Stanza, mentioned: set[str]) -> bool:
    """Whether a check of types could want what a rule makes; one that is tied to another alias makes nothing."""
    keys = {key for key, _ in fields(rule.sexp)}
    targets = set(_flat([*rule.values("targets"), *rule.values("target")]))
    for part in _lists(rule.sexp):
        if head(part) in {"with-stdout-to", "with-outputs-to", "with-stderr-to", "write-file"}:
            targets |= set(_flat(part[1:2]))
        elif head(part) in {"copy", "copy#"}:
            targets |= set(_flat(part[2:3]))
    aliases = set(_flat([*rule.values("alias"), *rule.values("aliases")]))
    if not targets:
        return "check" in aliases or not keys & {"alias", "aliases"}
    return any(
        _GENERATES.search(target)
        or "%{" in target
        or target == "dir"
        or any(fnmatchcase(_last(target), word) for word in mentioned)
        for target in targets
    )


def _closure(modules: Sequence[_Stanza], ran: set[str]) -> list[_Stanza]:
    """Return the stanzas whose code runs: those named by what runs code, and the libraries beneath them."""
    found: list[_Stanza] = []
    names = set(ran)
    while True:
        more = [stanza for stanza in modules if stanza not in found and stanza.names & names]
        if not more:
            return found
        found += more
        names |= {atom for stanza in more for value in stanza.values("libraries") for atom in atoms(value)}


def _subfolders(harmless: Sequence[_Stanza], tops: set[str], folders: Iterable[str]) -> set[str]:
    """Return the folders below those of ``tops`` where ``include_subdirs`` makes one of them all."""
    joined = {
        stanza.folder
        for stanza in harmless
        if stanza.kind == "include_subdirs" and stanza.folder in tops and atoms(stanza.sexp)[1:2] != ("no",)
    }
    return {folder for folder in folders if any(_below(folder, top) for top in joined)}


def _lists(sexp: Sexp) -> Iterator[tuple[Sexp, ...]]:
    """Yield every list within an s-expression."""
    if isinstance(sexp, tuple):
        yield sexp
        for part in sexp:
            yield from _lists(part)


def _words(sexp: Sexp) -> Iterator[str]:
    """Yield every atom, and what stands in its variables: ``%{exe:gen.exe}`` has ``gen.exe``."""
    for atom in atoms(sexp):
        yield atom
        for found in _VARIABLE.finditer(atom):
            if found[2]:
                yield found[2]
        bare = _VARIABLE.sub("", atom)
        if bare != atom and bare:
            yield bare


def _flat(sexps: Iterable[Sexp]) -> Iterator[str]:
    for sexp in sexps:
        yield from _words(sexp)


def _input(folder: str, word: str) -> tuple[str, str]:
    """Return the folder and the pattern of a file that a word may name; in doubt a wider one."""
    if _VARIABLE.search(word):
        return _ANYWHERE, _pattern(_last(_VARIABLE.sub("", word)))
    path = _join(folder, word)
    return _ANYWHERE if word.startswith("/") else _folder(path), _pattern(_last(path))


def _pattern(name: str) -> str:
    """Return a glob of dune's as one of Python's, which knows no alternatives."""
    return "*" if "{" in name or "!" in name else name


def _before_glob(word: str) -> str:
    return _folder(word) if set(_last(word)) & set("*?[{") else word


def _last(word: str) -> str:
    return word.rpartition("/")[2]


def _stem(word: str) -> str:
    """Return the last name in a word, without what follows its first dot: ``../gen/gen.exe`` is ``gen``."""
    return word.rpartition("/")[2].partition(".")[0]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _join(folder: str, word: str) -> str:
    """Return where a word leads from a folder; never above the root."""
    parts = [part for part in folder.split("/") if part]
    for part in word.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _below(folder: str, top: str) -> bool:
    return top in {folder, ""} or folder.startswith(f"{top}/")
