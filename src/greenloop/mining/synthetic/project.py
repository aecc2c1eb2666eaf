"""What a mutation knows of the project around a file: its constructors, its signatures, its names."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import tree_sitter

from greenloop.builds.protect import DEFAULT_GLOBS, TESTS, matches
from greenloop.builds.sexp import SexpError, read
from greenloop.mining.changed import ChangedFile
from greenloop.mining.foreign import has_source, is_vendored
from greenloop.mining.synthetic.code import Code, text
from greenloop.records import TreeId
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.syntax import Language, language_of

MAX_BYTES = 200_000
"""A larger file was hardly written by hand."""


@dataclass(frozen=True, slots=True)
class Constructor:
    """A constructor, how many arguments it takes, and the type that it belongs to: (file, name)."""

    name: str
    arity: int
    type: tuple[str, str]


_OWN = (
    Constructor("None", 0, ("", "option")), Constructor("Some", 1, ("", "option")),
    Constructor("Ok", 1, ("", "result")), Constructor("Error", 1, ("", "result")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DuneFile:
    """A dune file that can be read."""

    path: str
    content: str


class Project:
    """The OCaml files of a tree that parse, and its dune files. ``seed`` decides what is left to chance."""

    def __init__(self, codes: Iterable[Code], dunes: Iterable[DuneFile] = (), *, seed: int = 0) -> None:
        self.codes = tuple(codes)
        self.dunes = tuple(dunes)
        self.seed = seed

    @classmethod
    def read(cls, store: TreeStore, tree: TreeId, *, seed: int = 0) -> "Project":
        """Read ``tree``; links, generated, vendored and very large files are left out."""
        codes: list[Code] = []
        dunes: list[DuneFile] = []
        for path, entry in store.files(tree).items():
            language = language_of(path)
            is_dune = path.rpartition("/")[2] == "dune"
            if entry.mode is Mode.LINK or (language is None and not is_dune):
                continue
            if is_vendored(path) or has_source(store, tree, path):
                continue
            content = store.read_blob(entry.blob)
            file = ChangedFile(path, content, content)
            if len(content) > MAX_BYTES or file.generated or not file.text:
                continue
            if language is None:
                dunes += _dune(path, content.decode())
            elif (code := Code.read(path, content, language)) is not None:
                codes.append(code)
        return cls(codes, dunes, seed=seed)

    @cached_property
    def implementations(self) -> tuple[Code, ...]:
        """The ``.ml`` files."""
        return tuple(code for code in self.codes if code.language is Language.OCAML)

    @cached_property
    def tested(self) -> tuple[Code, ...]:
        """The ``.ml`` files that are no tests: what a test may say something of."""
        return tuple(code for code in self.implementations if not matches(code.path, (*TESTS, *DEFAULT_GLOBS)))

    @cached_property
    def interfaces(self) -> tuple[Code, ...]:
        """The ``.mli`` files."""
        return tuple(code for code in self.codes if code.language is Language.OCAML_INTERFACE)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every name that some file spells."""
        return frozenset(word for code in self.codes for word in code.words)

    def words_beside(self, path: str) -> frozenset[str]:
        """Return every name that a file other than ``path`` spells."""
        return frozenset(word for word, paths in self._places.items() if paths != {path})

    @cached_property
    def _places(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for code in self.codes:
            for word in code.words:
                found.setdefault(word, set()).add(code.path)
        return found

    @cached_property
    def _constructors(self) -> tuple[Constructor, ...]:
        found = list(_OWN)
        for code in self.codes:
            for binding in code.nodes("type_binding"):
                name = binding.child_by_field_name("name")
                body = binding.child_by_field_name("body")
                if name is None or body is None or body.type != "variant_declaration":
                    continue
                for one in body.named_children:
                    if one.type == "constructor_declaration":
                        found.append(Constructor(_head(one), _arity(one), (code.path.removesuffix("i"), text(name))))
        # an interface repeats the types of its implementation
        return tuple(dict.fromkeys(found))

    def constructor(self, name: str) -> Constructor | None:
        """Return the constructor called ``name``, or ``None`` where none or more than one is."""
        held = [one for one in self._constructors if one.name == name]
        return held[0] if len(held) == 1 else None

    def siblings(self, constructor: Constructor) -> tuple[Constructor, ...]:
        """Return every constructor of its type, itself too."""
        return tuple(one for one in self._constructors if one.type == constructor.type)

    def strangers(self, constructor: Constructor, path: str) -> tuple[Constructor, ...]:
        """Return the constructors of other types with as many arguments that the file at ``path`` can name."""
        here = path.removesuffix("i")
        held = (
            one for one in self._constructors
            if one.arity == constructor.arity and one.type != constructor.type and one.type[0] in ("", here)
        )  # fmt: skip
        return tuple(one for one in held if self.constructor(one.name) is not None)

    @cached_property
    def _signatures(self) -> dict[tuple[str, str], tuple[str, ...]]:
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for code in self.interfaces:
            for spec in code.nodes("value_specification"):
                kind = spec.child_by_field_name("type")
                name = next((one for one in spec.children if one.type == "value_name"), None)
                if kind is not None and name is not None:
                    found[code.module, text(name)] = _domains(kind)
        return found

    def parameters(self, code: Code, function: tree_sitter.Node) -> tuple[str, ...] | None:
        """Return the types of the unlabelled parameters of a function by its interface, ``None`` where it has none."""
        module, _, name = text(function).rpartition(".")
        return self._signatures.get((module.rpartition(".")[2] or code.module, name))


def _dune(path: str, content: str) -> list[DuneFile]:
    try:
        read(content)
    except SexpError:
        # a dune file in OCaml syntax, or one that the tool reads otherwise than we do: not ours to break
        return []
    return [DuneFile(path, content)]


def _head(declaration: tree_sitter.Node) -> str:
    return next((text(one) for one in declaration.children if one.type == "constructor_name"), "")


def _arity(declaration: tree_sitter.Node) -> int:
    kinds = [one for one in declaration.children if one.is_named and one.type not in {"constructor_name", "comment"}]
    return len([one for one in kinds if one.type != "attribute"])


def _domains(kind: tree_sitter.Node) -> tuple[str, ...]:
    found: list[str] = []
    node: tree_sitter.Node | None = kind
    while node is not None and node.type == "function_type":
        domain = node.child_by_field_name("domain")
        if domain is not None and domain.type != "labeled_argument_type":
            found.append(" ".join(text(domain).split()))
        node = node.child_by_field_name("codomain")
    return tuple(found)
