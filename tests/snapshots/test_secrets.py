"""Secrets are told by their names and by what they look like; ordinary source code is left alone."""

import base64
import random
import string
import time
from pathlib import Path

import pytest

from greenloop.snapshots.secrets import REMEMBERED, Screen, scan, screen

# put together here, so that no scanner finds a secret in this file
AWS = "AKIA" + "Z7QX4TRWPLMK2JND"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n"
SLACK = "xoxb-" + "123456789012-123456789012-abcdefGHIJKLmnop12345678"
ADDRESS = "postgres://ann:" + "kQ7vXz20pLm@db.internal/x"


@pytest.mark.parametrize(
    "path",
    [".env", "deploy/.env.production", "tls/server.pem", "id_rsa", "home/ID_ED25519", ".netrc", "a/credentials",
     "credentials.json", "secrets.yaml", "store.jks", ".git-credentials", ".pypirc"],
)  # fmt: skip
def test_files_that_hold_secrets_by_their_name(path: str) -> None:
    reason = screen(path, b"nothing to see")
    assert reason is not None
    assert reason.startswith("secret by its name")


@pytest.mark.parametrize(
    "path",
    [".env.example", "id_rsa.pub", "lib/secrets.ml", "credentials.py", "env", "monkey", "keys.ml", "environment"],
)
def test_files_whose_name_is_harmless(path: str) -> None:
    assert screen(path, b"let x = 1\n") is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [(f'let key = "{AWS}"', "AWS Access Key"), (f"token: {GITHUB}", "GitHub Token"),
     (f"f({GITHUB}, 1)", "GitHub Token"), (KEY, "private key"), (KEY.replace("\n", "\\n"), "private key"),
     (f"x={SLACK}", "Slack Token"), (ADDRESS, "password in an address")],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "(* a comment *)\nlet rec f x = f (x + 1)\n" * 50, "\udcff\x00"])
def test_secrets_are_found_anywhere_in_a_file(text: str, kind: str, before: str) -> None:
    content = (before + text + "\nlet y = 2\n").encode("utf-8", "surrogateescape")
    assert scan(content) == f"holds a secret ({kind})"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_secrets_are_found_in_wide_text(encoding: str) -> None:
    assert scan(f'let é = "{GITHUB}"\n'.encode(encoding)) == "holds a secret (GitHub Token)"


def test_a_private_key_in_base64_is_found_and_a_certificate_is_not() -> None:
    def data(header: str) -> bytes:
        body = base64.b64encode(f"-----BEGIN {header}-----\n{'MIIEvQIBADANBg' * 20}\n".encode())
        return b"    client-data: " + body + b"\n"

    for kind in ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "):
        assert scan(data(f"{kind}PRIVATE " + "KEY")) == "holds a secret (private key in base64)", kind
    assert scan(data("CERTIFICATE")) is None
    assert scan(data("PUBLIC " + "KEY")) is None


@pytest.mark.parametrize(
    "text",
    [
        'let password = read_line ()\nlet check ~password = password = "x"\n',
        'let digest = "d41d8cd98f00b204e9800998ecf8427e"\nlet host = "93.184.216.34"\n',
        'let url = "https://example.org/path?query=1"\nlet mail = "ann@example.org"\n',
        "(library (name ledger) (libraries str unix))\n",
        "password: ${{ secrets.DEPLOY_PASSWORD_2 }}\nurl: https://user:${PASSWORD}@host/\n",
        "PASSWORD = settings.DATABASE_PASSWORD_2\nself.x_key = self.cache_v2_key\n",
        "def login(password: str, token_2: Optional[Token2] = None) -> Session: ...\n",
        'git = "https://user:password@example.org/x.git"\n',
    ],
)
def test_ordinary_code_passes(text: str) -> None:
    assert scan(text.encode()) is None


def test_a_line_that_a_person_accepted_passes_and_only_that_line() -> None:
    accepted = f'let fake = "{GITHUB}" (* pragma: allowlist secret *)\n'
    assert scan(accepted.encode()) is None
    assert scan(accepted.encode() + f'let real = "{GITHUB}"\n'.encode()) is not None


def test_allowed_paths_are_not_scanned_and_secret_names_stay_secret() -> None:
    stopping = Screen(allowed=["tests/fixtures/*", "*.golden"])

    assert stopping("tests/fixtures/a/b.ml", AWS.encode()) is None
    assert stopping("lib/x.golden", AWS.encode()) is None
    assert stopping("lib/x.ml", AWS.encode()) is not None
    assert stopping("tests/fixtures/.env", b"A=1") is not None


def test_content_seen_before_gets_the_same_answer_at_every_path() -> None:
    stopping = Screen()

    first, again = stopping("a.ml", AWS.encode()), stopping("b.ml", AWS.encode())

    assert first == again
    assert first is not None
    assert stopping("c.ml", b"let x = 1") is None
    assert stopping(".env", b"let x = 1") is not None


def test_a_screen_remembers_a_bounded_number_of_contents() -> None:
    stopping = Screen()

    for number in range(REMEMBERED + 100):
        stopping("a.ml", b"let x = %d" % number)

    assert stopping.remembered == REMEMBERED


@pytest.mark.parametrize("path", [f"src/{GITHUB}.txt", f"d_{GITHUB}/a.ml"])
def test_a_name_that_spells_a_secret_is_stopped(path: str) -> None:
    reason = screen(path, b"let x = 1")
    assert reason is not None
    assert reason.startswith("its name holds a secret")
    assert GITHUB not in reason


def test_a_reason_never_holds_the_secret() -> None:
    for text in (AWS, GITHUB, SLACK, ADDRESS, KEY):
        reason = scan(text.encode())
        assert reason is not None
        assert not any(text[at : at + 8] in reason for at in range(len(text) - 8))


def _lines_of_a_megabyte() -> dict[str, bytes]:
    rnd = random.Random(4)
    letters = "".join(rnd.choices(string.ascii_letters + string.digits, k=1_000_000))
    almost = ";".join(f'api_key="{"".join(rnd.choices(string.ascii_letters, k=20))}"' for _ in range(33_000))
    lines = {
        "letters": letters,
        "almost secrets": almost,
        "keywords": "api_key_token_" * 70_000,
        "equals": "key=" * 250_000,
        "curl": "curl -H " * 120_000,
        "begins": "-----BEGIN " * 90_000,
        "addresses": "ab://" * 200_000,
        "ey": "ey" * 500_000,
        "passwords": 'password="' * 100_000,
        "no passwords": 'password="aaaaaaaaaaaa' * 45_000,
        "tokens of one letter": f"token={'a' * 30} " * 27_000,
        "dots": "a.b-" * 250_000,
        "blanks": "key" + " " * 999_990,
        "digits": "9" * 1_000_000,
        "kubernetes": "kind: secret data: a " * 45_000,
        "auths": '"auth": "' * 110_000,
        "tokens of a host": ("glpat-" + "a" * 51) * 17_000,
        "an endless token": "glagent-" + "a" * 999_000,
        "an endless webhook": "https://hooks.slack.com/services/T1/B1/" + "a" * 999_000,
        "half a login": "ey" + "J" * 999_000 + ".",
        "npm": "//a/:_authToken=" * 60_000,
    }
    return {name: line.encode() for name, line in lines.items()} | {"bytes": rnd.randbytes(1_000_000)}


LINES = _lines_of_a_megabyte()


@pytest.mark.parametrize("name", LINES)
def test_no_line_of_a_megabyte_takes_long(name: str) -> None:
    scan(b"")
    spent = []
    for _ in range(3):
        begun = time.thread_time()
        scan(LINES[name])
        spent.append(time.thread_time() - begun)
    assert min(spent) < 0.2


def test_ordinary_code_is_scanned_at_tens_of_megabytes_a_second() -> None:
    # the figure itself is in docs/recorder-secrets.md; this bound holds on a busy machine
    sources = [path.read_bytes()[:4096] for path in sorted(Path(string.__file__).parent.glob("*.py"))]
    scan(b"")
    spent = []
    for _ in range(3):
        begun = time.thread_time()
        for source in sources:
            scan(source)
        spent.append(time.thread_time() - begun)
    assert sum(map(len, sources)) / min(spent) > 30e6


def test_hardly_any_file_of_the_standard_library_is_stopped() -> None:
    library = Path(string.__file__).parent
    paths = [path for path in library.rglob("*.py") if "site-packages" not in path.parts]

    stopped = {str(path.relative_to(library)): reason for path in paths if (reason := scan(path.read_bytes()))}

    print(f"{len(stopped)} of {len(paths)}: {stopped}")
    assert len(stopped) <= 0.003 * len(paths)
