"""Secrets are told by their names and by their shapes; ordinary source code is left alone."""

import pytest

from greenloop.snapshots.secrets import Screen, scan, screen

# put together here, so that no scanner finds a secret in this file
AWS = "AKIA" + "Z7QX4TRWPLMK2JND"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n"
SLACK = "xoxb-" + "1234567890-abcdefghijklmnop"


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
    [(f'let key = "{AWS}"', "AWS"), (f"token: {GITHUB}", "GitHub"), (KEY, "Private Key"), (f"x={SLACK}", "Slack"),
     ("postgres://ann:" + "hunter2hunter2@db.internal/x", "Basic Auth")],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "(* a comment *)\nlet rec f x = f (x + 1)\n" * 50, "\udcff\x00"])
def test_secrets_are_found_anywhere_in_a_file(text: str, kind: str, before: str) -> None:
    reason = scan((before + text + "\nlet y = 2\n").encode("utf-8", "surrogateescape"))
    assert reason is not None
    assert kind in reason


@pytest.mark.parametrize(
    "text",
    [
        'let password = read_line ()\nlet check ~password = password = "x"\n',
        'let digest = "d41d8cd98f00b204e9800998ecf8427e"\nlet host = "93.184.216.34"\n',
        'let url = "https://example.org/path?query=1"\nlet mail = "ann@example.org"\n',
        "(library (name ledger) (libraries str unix))\n",
    ],
)
def test_ordinary_code_passes(text: str) -> None:
    assert scan(text.encode()) is None


def test_content_seen_before_gets_the_same_answer_at_every_path() -> None:
    stopping = Screen()

    first, again = stopping("a.ml", AWS.encode()), stopping("b.ml", AWS.encode())

    assert first == again
    assert first is not None
    assert stopping("c.ml", b"let x = 1") is None
    assert stopping(".env", b"let x = 1") is not None
