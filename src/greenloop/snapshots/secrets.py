"""Stopping secrets before they are written: by the names of files, and by what a maintained scanner finds in them."""

import fnmatch
from pathlib import PurePosixPath

import pygit2
from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

_DETECTORS: tuple[type[RegexBasedDetector], ...] = (
    ArtifactoryDetector, AWSKeyDetector, AzureStorageKeyDetector, BasicAuthDetector,
    DiscordBotTokenDetector, GitHubTokenDetector, GitLabTokenDetector,
    JwtTokenDetector, MailchimpDetector, NpmDetector, OpenAIDetector, PrivateKeyDetector, PypiTokenDetector,
    SendGridDetector, SlackDetector, SquareOAuthDetector, StripeDetector,
    TelegramBotTokenDetector, TwilioKeyDetector,
)  # fmt: skip
"""The scanner's detectors of tokens with a shape of their own. Left out are those by entropy, by public address and by
keyword, which in source code stop digests, tables and every variable named ``password``, and with it the file; and
Cloudant, IBM and SoftLayer, whose patterns start at any two letters and cost three times all others together."""

_NAMES = (
    ".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.gpg", "*.asc",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", "_netrc", ".pgpass", ".pypirc", ".npmrc",
    ".htpasswd", ".git-credentials", "credentials", "secrets",
    *(f"{stem}.{end}" for stem in ("credentials", "secrets") for end in ("json", "yaml", "yml", "toml", "ini", "xml")),
)  # fmt: skip
_HARMLESS = (".env.example", ".env.sample", ".env.template", "*.pub")


def named_secret(path: str) -> str | None:
    """Return why a file of this name is never recorded, or ``None``."""
    name = PurePosixPath(path).name.lower()
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in _HARMLESS):
        return None
    for pattern in _NAMES:
        if fnmatch.fnmatchcase(name, pattern):
            return f"secret by its name ({pattern})"
    return None


_RUNNING = tuple(detector() for detector in _DETECTORS)


class Screen:
    """Says why a file must not be stored; content that was seen before is not scanned again."""

    def __init__(self) -> None:
        self._seen: dict[str, str | None] = {}

    def __call__(self, path: str, content: bytes) -> str | None:
        """Return the reason against storing ``content`` at ``path``, or ``None``."""
        named = named_secret(path)
        if named is not None:
            return named
        blob = str(pygit2.hash(content))
        if blob not in self._seen:
            self._seen[blob] = scan(content)
        return self._seen[blob]


def scan(content: bytes) -> str | None:
    """Return what kind of secret ``content`` holds, or ``None``."""
    text = content.decode("utf-8", "replace")
    for detector in _RUNNING:
        # the whole text at once is what makes this cheap; the library's own way goes line by line
        if next(iter(detector.analyze_string(text)), None) is not None:
            return f"holds a secret ({detector.secret_type})"
    return None


def screen(path: str, content: bytes) -> str | None:
    """Return the reason against storing ``content`` at ``path``, or ``None``, without any memory."""
    return named_secret(path) or scan(content)
