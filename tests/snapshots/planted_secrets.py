"""Secrets of 22 formats planted in 10 kinds of files, made by code with a fixed seed.

No secret stands here as a literal, so that no other scanner finds one in this repository.
"""

import base64
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
ALNUM, HEX = UPPER + LOWER + DIGITS, DIGITS + "abcdef"
Maker = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class Planted:
    """One secret in one file."""

    kind: str
    context: str
    text: str


def _token(prefix: str, alphabet: str, length: int, suffix: str = "") -> Maker:
    return lambda rnd: prefix + "".join(rnd.choices(alphabet, k=length)) + suffix


def _base64(rnd: random.Random, size: int) -> str:
    return base64.b64encode(rnd.randbytes(size)).decode()


def _private_key(rnd: random.Random) -> str:
    what = rnd.choice(["RSA ", "EC ", "OPENSSH ", ""]) + "PRIVATE KEY"
    body = "\n".join(_base64(rnd, 48) for _ in range(8))
    return f"-----BEGIN {what}-----\n{body}\n-----END {what}-----\n"


def _jwt(rnd: random.Random) -> str:
    parts = (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"%d","admin":true}' % rnd.randrange(10**9), rnd.randbytes(32))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _password(rnd: random.Random) -> str:
    letters = [
        *rnd.choices(UPPER, k=4),
        *rnd.choices(LOWER, k=6),
        *rnd.choices(DIGITS, k=4),
        *rnd.choices("!@#%^*+?", k=3),
    ]
    rnd.shuffle(letters)
    return "".join(letters)


FORMATS: dict[str, tuple[str, Maker]] = {
    "AWS access key": ("aws_access_key_id", _token("AKIA", UPPER + "234567", 16)),
    "AWS secret key": ("aws_secret_access_key", lambda rnd: _base64(rnd, 30)),
    "GitHub personal token": ("github_token", _token("ghp_", ALNUM, 36)),
    "GitHub fine-grained token": ("token", _token("github_pat_", ALNUM, 82)),
    "GitLab token": ("gitlab", _token("glpat-", ALNUM, 20)),
    "Google API key": ("maps", _token("AIza", ALNUM + "-_", 35)),
    "Hugging Face token": ("hub", _token("hf_", UPPER + LOWER, 34)),
    "Anthropic key": ("model", _token("sk-ant-api03-", ALNUM + "-_", 93, "AA")),
    "OpenAI key": ("model", lambda rnd: _token("sk-proj-", ALNUM, 74)(rnd) + _token("T3BlbkFJ", ALNUM, 74)(rnd)),
    "Slack bot token": ("slack", lambda rnd: _token("xoxb-", DIGITS, 12)(rnd) + _token("-", DIGITS, 12)(rnd)
                        + _token("-", ALNUM, 24)(rnd)),
    "Stripe key": ("billing", _token("sk_live_", ALNUM, 24)),
    "npm token": ("registry", _token("npm_", LOWER + DIGITS, 36)),
    "PyPI token": ("upload", _token("pypi-AgEIcHlwaS5vcmc", ALNUM + "-_", 120)),  # pragma: allowlist secret
    "DigitalOcean token": ("droplets", _token("dop_v1_", HEX, 64)),
    "SendGrid key": ("mail", lambda rnd: _token("SG.", ALNUM, 22)(rnd) + _token(".", ALNUM, 43)(rnd)),
    "age key": ("identity", _token("AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    "Telegram bot token": ("bot", lambda rnd: _token("", "123456789", 10)(rnd) + _token(":AA", ALNUM, 33)(rnd)),
    "Azure storage key": ("store", lambda rnd: f"Protocol=https;AccountName=a;AccountKey={_base64(rnd, 64)}"),
    "JSON web token": ("session", _jwt),
    "private key": ("deploy_key", _private_key),
    "private key in base64": ("client-key-data", lambda rnd: base64.b64encode(_private_key(rnd).encode()).decode()),
    "password in an address": ("url", lambda rnd: f"postgres://app:{_token('', ALNUM, 16)(rnd)}@db.internal:5432/x"),
    "password": ("db_password", _password),
}  # fmt: skip

CONTEXTS: dict[str, Callable[[str, str], str]] = {
    "OCaml": lambda name, it: f'open Printf\n\nlet {name.replace("-", "_")} = "{it}"\nlet () = printf "%d" 1\n',
    "Python": lambda name, it: f'import os\n\nclass C:\n    {name.replace("-", "_")} = "{it}"\n',
    "YAML": lambda name, it: f"services:\n  web:\n    environment:\n      {name}: {it}\n    ports: [80]\n",
    "JSON": lambda name, it: f'{{"a": [1, 2],"{name}":"{it}","b":{{}}}}\n',
    "TOML": lambda name, it: f'[service]\n{name} = "{it}"\nport = 80\n',
    "settings": lambda name, it: f"PORT=80\n{name.upper()}={it}\nDEBUG=1\n",
    "shell": lambda name, it: f"#!/bin/sh\nset -eu\nexport {name.upper()}='{it}'\nexec ./main\n",
    "Dockerfile": lambda name, it: f"FROM debian:12\nENV {name.upper()}={it}\nRUN make\n",
    "Markdown": lambda name, it: f"# Set up\n\nUse `{name}: {it}` and start it.\n",
    "CI file": lambda name, it: (
        f"jobs:\n  a:\n    steps:\n      - run: ./deploy\n        env: {{{name.upper()}: '{it}'}}\n"
    ),
}


def planted(seed: int = 4) -> Iterator[Planted]:
    """Yield every format in every context; the same for the same seed."""
    rnd = random.Random(seed)
    for kind, (name, make) in FORMATS.items():
        for context, write in CONTEXTS.items():
            yield Planted(kind, context, write(name, make(rnd).replace("\n", "\\n")))
    for home in ("machine db.internal login app password {}\n", "machine db\n  login app\n  password {}\n"):
        yield Planted("netrc", "netrc", home.format(_password(rnd)))
    for config in ('{{"auths": {{"r.io": {{"auth": "{}"}}}}}}', '{{"auths":{{"r.io":{{"auth":"{}"}}}}}}\n'):
        login = base64.b64encode(f"app:{_password(rnd)}".encode()).decode()
        yield Planted("docker auth", "config.json", config.format(login))
