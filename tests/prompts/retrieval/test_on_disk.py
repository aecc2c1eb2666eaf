"""The index on the disk: fresh, shared, damaged, and alike the search in memory."""

import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.builds.stop import Stop
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.prompts.recipes import WIDE
from greenloop.prompts.retrieval.in_memory import InMemory
from greenloop.prompts.retrieval.on_disk import VERSION, OnDisk
from greenloop.prompts.retrieval.seam import Hit
from greenloop.records import BlobId, Cancelled, EnvironmentFault, TreeId
from greenloop.snapshots.secrets import Screen
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.vcs import read_checkout

TreeOf = Callable[[Mapping[str, str | bytes]], TreeId]

FILES: dict[str, str | bytes] = {
    "lib/parser.ml": "let parse_expr tokens = tokens\n\nlet parseTerm tokens = parse_expr tokens\n",
    "lib/printer.ml": "let print_expr ppf e = Format.fprintf ppf e\n",
    "bin/main.ml": "let () = Printer.print_expr (Parser.parse_expr [])\n",
    "README.md": "A calculator with a printer.\n",
}


class Counting(TreeStore):
    """Tells which blobs were read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.blobs_read: list[BlobId] = []

    def read_blob(self, blob: BlobId) -> bytes:
        self.blobs_read.append(blob)
        return super().read_blob(blob)


@pytest.fixture
def index(store: TreeStore, tmp_path: Path) -> OnDisk:
    return OnDisk(tmp_path / "index", store)


def paths(hits: list[Hit]) -> list[str]:
    return list(dict.fromkeys(hit.path for hit in hits))


def found(index: OnDisk, tree: TreeId, text: str) -> list[str]:
    return paths(list(index.search(tree, text, limit=20)))


@pytest.mark.parametrize("words", ["parse an expr", "ParseExpr", "parse_expr", "Parser.parseExpr", "PARSE"])
def test_identifiers_are_split_however_they_are_spelled(index: OnDisk, tree_of: TreeOf, words: str) -> None:
    tree = tree_of(FILES)
    assert index.follow(tree)
    assert found(index, tree, words)[0] == "lib/parser.ml"


def test_it_ranks_as_the_search_in_memory_does(index: OnDisk, store: TreeStore, tree_of: TreeOf) -> None:
    many = {f"lib/m{i}.ml": f"let handle{i} page = render page{i % 7}\n" * (1 + i % 50) for i in range(60)}
    tree = tree_of({**FILES, **many})
    index.follow(tree)
    for words in ("render page3 of handle", "print the expr", "parse_expr", "calculator"):
        disk = index.search(tree, words, limit=30)
        scores = {(hit.path, hit.first_line): hit.score for hit in InMemory(store).search(tree, words, limit=1000)}
        assert disk
        for hit in disk:
            # tantivy keeps lengths in a byte each, so scores differ a little
            assert hit.score == pytest.approx(scores[hit.path, hit.first_line], rel=0.12, abs=0.2)


def test_a_save_is_found_and_only_what_changed_is_read(tmp_path: Path) -> None:
    store = Counting(tmp_path / "trees")
    blobs = {path: store.write_blob(text.encode()) for path, text in FILES.items() if isinstance(text, str)}
    tree = store.write_tree({path: Entry(Mode.FILE, blob) for path, blob in blobs.items()})
    index = OnDisk(tmp_path / "index", store)
    index.follow(tree)
    store.blobs_read.clear()
    new = store.write_blob(b"let zebra = 1\n")
    saved = store.update(tree, {"lib/printer.ml": Entry(Mode.FILE, new), "README.md": None})
    assert index.follow(saved)
    assert set(store.blobs_read) == {new}
    assert found(index, saved, "zebra") == ["lib/printer.ml"]
    assert found(index, saved, "calculator") == [], "deleted"
    assert "lib/printer.ml" not in found(index, saved, "Format fprintf"), "no longer in it"


def test_unsaved_buffers_are_searched_as_they_are(index: OnDisk, store: TreeStore, tree_of: TreeOf) -> None:
    tree = tree_of(FILES)
    index.follow(tree)
    buffers = tree_of({**FILES, "lib/printer.ml": "let giraffe = 1\n", "new.ml": "let okapi = giraffe\n"})
    assert found(index, buffers, "giraffe okapi") == ["new.ml", "lib/printer.ml"]
    assert "lib/printer.ml" not in found(index, buffers, "fprintf")
    assert found(index, tree, "giraffe") == [], "the saved tree is as it was"
    assert index.tree == tree


def test_before_there_is_an_index_nothing_is_found(index: OnDisk, tree_of: TreeOf) -> None:
    assert index.tree is None
    assert found(index, tree_of(FILES), "parse") == []


WORDS = st.lists(st.sampled_from(["okapi", "zebraCrossing", "tapir_nose", "let", "= 1"]), max_size=6).map(" ".join)
STATES = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(["a.ml", "b.mli", "lib/c.ml", "n.txt"]), WORDS), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=STATES)
def test_whatever_happened_it_finds_what_a_search_of_the_tree_finds(
    store: TreeStore,
    tree_of: TreeOf,
    tmp_path_factory: pytest.TempPathFactory,
    states: list[tuple[dict[str, str], bool]],
) -> None:
    index = OnDisk(tmp_path_factory.mktemp("index"), store)
    index.follow(tree_of({}))
    for files, followed in states:
        tree = tree_of(dict(files))
        if followed:
            index.follow(tree)
        for words in ("okapi", "zebra crossing", "tapirNose", "let okapi nose"):
            there = {hit.path for hit in InMemory(store).search(tree, words, limit=99) if hit.score > 0}
            assert set(found(index, tree, words)) == there


def test_how_much_a_module_is_used(index: OnDisk, tree_of: TreeOf) -> None:
    tree = tree_of(FILES)
    index.follow(tree)
    assert index.uses(tree, ["Parser", "Printer", "Nobody"]) == {"Parser": 1, "Printer": 1, "Nobody": 0}


def test_binary_files_links_and_odd_names_do_no_harm(index: OnDisk, store: TreeStore, tree_of: TreeOf) -> None:
    tree = store.update(
        tree_of({**FILES, "a.bin": b"parse\0parse", "é\n.ml": "let oddity = 1\n"}),
        {"link.ml": Entry(Mode.LINK, store.write_blob(b"parse_expr"))},
    )
    assert index.follow(tree)
    assert found(index, tree, "parse") == ["lib/parser.ml", "bin/main.ml"]
    assert found(index, tree, "oddity") == ["é\n.ml"]


def test_a_file_with_a_secret_stays_out(store: TreeStore, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.ml").write_text("let harmless = 1\n")
    key = "AKIA" + "QYLPMN5HHHFPZAM2"
    (project / "b.ml").write_text(f'let token_of_access = "{key}"\n')
    checkout = read_checkout(project, store, screen=Screen())
    index = OnDisk(tmp_path / "index", store)
    index.follow(checkout.tree)
    assert found(index, checkout.tree, "harmless") == ["a.ml"]
    assert found(index, checkout.tree, f"token_of_access {key}") == []
    assert not any(key.encode() in path.read_bytes() for path in index.folder.rglob("*") if path.is_file())


def _garbage(path: Path) -> None:
    _put(path, random.Random(path.name).randbytes(max(64, path.stat().st_size)))


def _cut(path: Path) -> None:
    _put(path, path.read_bytes()[: path.stat().st_size // 2])


def _put(path: Path, content: bytes) -> None:
    # another file in its place: the index before, which is not closed for certain, may still have the old one mapped
    other = path.with_name("other")
    other.write_bytes(content)
    other.replace(path)


@pytest.mark.parametrize("spoil", [_garbage, _cut, Path.unlink])
@pytest.mark.parametrize("which", ["meta.json", ".managed.json", "*.idx", "*.term", "*.store", "*.fast", "*.pos", "*"])
def test_a_damaged_index_is_made_again(
    store: TreeStore, tree_of: TreeOf, tmp_path: Path, spoil: Callable[[Path], None], which: str
) -> None:
    tree = tree_of(FILES)
    OnDisk(tmp_path / "index", store).follow(tree)
    for path in (tmp_path / "index" / VERSION).glob(which):
        if path.is_file() and not path.name.endswith(".lock"):
            spoil(path)
    index = OnDisk(tmp_path / "index", store)
    saved = tree_of({**FILES, "new.ml": "let okapi = 1\n"})
    assert index.follow(saved)
    assert found(index, saved, "okapi") == ["new.ml"]
    assert found(index, saved, "parse_expr")[0] == "lib/parser.ml"


@pytest.mark.parametrize("spoil", [_garbage, _cut, Path.unlink])
@pytest.mark.parametrize("which", ["meta.json", "*.idx", "*.term", "*.store", "*.fast", "*.fieldnorm", "*"])
def test_a_damaged_index_is_made_again_by_a_question(
    store: TreeStore, tree_of: TreeOf, tmp_path: Path, spoil: Callable[[Path], None], which: str
) -> None:
    tree = tree_of(FILES)
    OnDisk(tmp_path / "index", store).follow(tree)
    for path in (tmp_path / "index" / VERSION).glob(which):
        if path.is_file() and not path.name.endswith(".lock"):
            spoil(path)
    index = OnDisk(tmp_path / "index", store)
    hits = found(index, tree, "parse_expr")
    if index.tree is None:
        # nothing was left that says there is an index: the next save makes it
        index.follow(tree)
        hits = found(index, tree, "parse_expr")
    assert hits[0] == "lib/parser.ml"


def test_no_flipped_byte_breaks_a_question(store: TreeStore, tree_of: TreeOf, tmp_path: Path) -> None:
    many = {f"lib/m{i}.ml": f"let okapi{i} = zebra{i % 7} + page\n" * 30 for i in range(20)}
    tree = tree_of(many)
    OnDisk(tmp_path / "index", store).follow(tree)
    draw = random.Random(11)
    for number in range(80):
        copy = shutil.copytree(tmp_path / "index", tmp_path / str(number))
        path = draw.choice(sorted(one for one in (copy / VERSION).iterdir() if not one.name.endswith(".lock")))
        content = bytearray(path.read_bytes() or b"x")
        for _ in range(draw.choice([1, 4, 32])):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
        index = OnDisk(copy, store)
        gather(store, Question(tree, "okapi 3 zebra page"), budget=900, recipe=WIDE, index=index)
        shutil.rmtree(copy)


class Waiting(TreeStore):
    """Reads no file until it may."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.may, self.waits = threading.Event(), threading.Event()
        self.may.set()

    def read_blob(self, blob: BlobId) -> bytes:
        if not self.may.is_set():
            self.waits.set()
            assert self.may.wait(120)
        return super().read_blob(blob)


def test_questions_do_not_wait_while_the_index_is_written(tmp_path: Path) -> None:
    store = Waiting(tmp_path / "trees")
    tree = store.write_tree({"a.ml": Entry(Mode.FILE, store.write_blob(b"let okapi = 1\n"))})
    index = OnDisk(tmp_path / "index", store)
    index.follow(tree)
    saved = store.update(tree, {"b.ml": Entry(Mode.FILE, store.write_blob(b"let zebra = 1\n"))})
    store.may.clear()
    writing = threading.Thread(target=index.follow, args=(saved,))
    writing.start()
    assert store.waits.wait(120)
    assert found(index, tree, "okapi") == ["a.ml"], "while a file is being read for the index"
    store.may.set()
    writing.join(120)
    assert found(index, saved, "zebra") == ["b.ml"]


def test_following_can_be_cancelled(index: OnDisk, tree_of: TreeOf) -> None:
    tree = tree_of(FILES)
    index.follow(tree)
    with Stop() as stop:
        stop.request()
        with pytest.raises(Cancelled):
            index.follow(tree_of({**FILES, "new.ml": "let okapi = 1\n"}), stop)
    assert index.tree == tree
    assert found(index, tree, "parse_expr")[0] == "lib/parser.ml"


def test_an_index_of_another_version_goes(index: OnDisk, tree_of: TreeOf) -> None:
    old = index.folder / "v0"
    old.mkdir(parents=True)
    (old / "meta.json").write_text("{}")
    tree = tree_of(FILES)
    index.follow(tree)
    assert not old.exists()
    assert found(index, tree, "parse")


def test_a_tree_that_was_purged_is_no_hindrance(tree_of: TreeOf, store: TreeStore, tmp_path: Path) -> None:
    index = OnDisk(tmp_path / "index", store)
    index.follow(tree_of(FILES))
    # another store: the tree that the index stands at is not in it
    other = TreeStore(tmp_path / "other")
    tree = other.write_tree({"a.ml": Entry(Mode.FILE, other.write_blob(b"let okapi = 1\n"))})
    again = OnDisk(tmp_path / "index", other)
    assert found(again, tree, "okapi") == []
    assert again.follow(tree)
    assert found(again, tree, "okapi") == ["a.ml"]
    assert found(again, tree, "parse_expr") == []


def test_a_folder_that_cannot_be_written_is_named(store: TreeStore, tree_of: TreeOf, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(EnvironmentFault, match="file"):
        OnDisk(tmp_path / "file/index", store).follow(tree_of(FILES))


WRITER = """
import sys
from pathlib import Path
from greenloop.prompts.retrieval.on_disk import OnDisk
from greenloop.workspace.store import Entry, Mode, TreeStore
home, name = Path(sys.argv[1]), sys.argv[2]
store = TreeStore(home / "trees")
index = OnDisk(home / "index", store)
tree = sys.argv[3]
print("ready", flush=True)
for turn in range(int(sys.argv[4])):
    blob = store.write_blob(f"let {name}{turn} = 1\\n".encode())
    mine = store.update(tree, {f"{name}.ml": Entry(Mode.FILE, blob)})
    assert index.follow(mine)
    hits = index.search(mine, f"{name}{turn}", limit=5)
    assert [hit.path for hit in hits][:1] == [f"{name}.ml"], hits
print("done", flush=True)
"""


@contextmanager
def writer(tmp_path: Path, name: str, tree: TreeId, turns: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITER, str(tmp_path), name, tree, str(turns)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_two_processes_do_not_spoil_each_other(index: OnDisk, tree_of: TreeOf, tmp_path: Path) -> None:
    tree = tree_of(FILES)
    with writer(tmp_path, "zebra", tree, 8) as one, writer(tmp_path, "okapi", tree, 8) as two:
        assert one.wait(240) == 0
        assert two.wait(240) == 0
    assert index.follow(tree)
    assert found(index, tree, "zebra okapi") == []
    assert found(index, tree, "parse_expr")[0] == "lib/parser.ml"


def test_a_process_that_is_killed_while_it_writes(index: OnDisk, tree_of: TreeOf, tmp_path: Path) -> None:
    tree = tree_of(FILES)
    for pause in (0.0, 0.05, 0.2):
        with writer(tmp_path, "zebra", tree, 10_000) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            threading.Event().wait(pause)
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        assert index.follow(tree)
        assert found(index, tree, "zebra") == []
        assert found(index, tree, "parse_expr")[0] == "lib/parser.ml"


def test_while_another_process_writes_for_long_the_old_index_answers(
    index: OnDisk, store: TreeStore, tree_of: TreeOf
) -> None:
    tree = tree_of(FILES)
    index.follow(tree)
    hurried = OnDisk(index.folder, store, wait_seconds=0.0)
    saved = tree_of({**FILES, "new.ml": "let okapi = 1\n"})
    with index.alone():
        assert not hurried.follow(saved)
        assert found(hurried, saved, "okapi") == ["new.ml"], "what is new is searched as it is"
        assert found(hurried, saved, "parse_expr")[0] == "lib/parser.ml"
    assert hurried.follow(saved)


def test_many_threads_ask_while_one_writes(index: OnDisk, store: TreeStore, tree_of: TreeOf) -> None:
    trees = [tree_of({**FILES, f"n{i}.ml": f"let okapi{i} = 1\n"}) for i in range(12)]
    index.follow(trees[0])
    wrong: list[str] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            for number, tree in enumerate(trees):
                hits = found(index, tree, f"okapi {number}")
                if hits[:1] != [f"n{number}.ml"]:
                    wrong.append(f"{number}: {hits}")

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for tree in trees:
        index.follow(tree)
    ended.set()
    for asker in askers:
        asker.join(60)
    assert not wrong
