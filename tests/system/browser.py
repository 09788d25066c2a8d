"""A real browser on this machine: headless Chromium, and a JupyterLab on loopback for it."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest

from notebooks.source import build

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no Chromium here; on Debian `apt install chromium`",
)
SCREENSHOTS = build.ROOT / "build" / "screenshots"


@contextlib.contextmanager
def chromium():
    """Return a new page of a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        try:
            yield opened.new_page(viewport={"width": 1400, "height": 1000})
        finally:
            opened.close()


@contextlib.contextmanager
def jupyterlab(folder, environment):
    """Run a JupyterLab whose files are those of a folder; return (its address, its process)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = folder.parent / f"{folder.name}-jupyter"
    overrides = own / "settings"
    overrides.mkdir(parents=True)
    (overrides / "overrides.json").write_text(
        json.dumps(
            {
                # every cell in the page, so that it can be looked at without scrolling there
                "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
                "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
            }
        )
    )
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    env |= environment | {
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "user"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}"]
    command += ["--ip=127.0.0.1", "--ServerApp.port_retries=0", "--IdentityProvider.token=learner"]
    command += [f"--ServerApp.root_dir={folder}", f"--LabApp.app_settings_dir={overrides}"]
    if hasattr(os, "getuid") and os.getuid() == 0:
        command.append("--allow-root")
    with open(own / "log", "w") as log:
        server = subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            assert server.poll() is None, (own / "log").read_text()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api?token=learner", timeout=60).close()
                break
            time.sleep(0.2)
        yield address, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(300)  # it ends its kernels first


PLACE = """[...document.querySelectorAll('.jp-Notebook .jp-Cell')]
    .findIndex(cell => cell.classList.contains('jp-mod-active'))"""
# A kernel that is there and rests: the sign in the toolbar says "idle" before there is one as well,
# and what is run then JupyterLab loses.
IDLE = '#jp-main-statusbar :text("| Idle")'
# The beginnings of the cells with code that have no number yet.
UNFINISHED = """() => [...document.querySelectorAll('.jp-CodeCell')]
    .filter(cell => cell.querySelector('.jp-InputArea-editor').innerText.trim()
        && !/^\\[\\d+\\]:?$/.test(cell.querySelector('.jp-InputPrompt').textContent.trim()))
    .map(cell => cell.querySelector('.jp-InputArea-editor').innerText.slice(0, 60))"""


class Lab:
    """A notebook open in JupyterLab, driven as a learner would drive it.

    Args:
        page: of the browser.
        address, server: of JupyterLab.
        file: the notebook, in JupyterLab's folder.
    """

    def __init__(self, page, address, server, file):
        self.page, self.server, name = page, server, file.name
        self.cells = len(json.loads(file.read_text("utf-8"))["cells"])
        page.set_default_timeout(600_000)  # on a loaded machine; whatever is waited for ends it
        page.goto(f"{address}/lab/tree/{name}?token=learner&reset")
        page.wait_for_function(
            "cells => document.querySelectorAll('.jp-Notebook .jp-Cell').length == cells",
            arg=self.cells,
        )
        page.wait_for_selector(IDLE, state="attached")

    def run_from_the_top(self):
        """Press Shift+Enter once for every cell, and wait until the last one has ended.

        As long as the kernel is busy it is waited for, however slow the machine.
        """
        first = self.page.locator(".jp-Notebook .jp-Cell").first
        for _ in range(60):  # while the page still grows, a click may meet the cell below
            first.locator(".jp-InputPrompt").click()
            if self._place() == 0:
                break
            time.sleep(0.5)
        self.page.keyboard.press("Escape")
        for place in range(self.cells):
            assert self._place() == place
            self.page.keyboard.press("Shift+Enter")
            self.page.wait_for_function(f"place => {PLACE} > place", arg=place, polling=50)
        rested = 0
        while (waiting := self.page.evaluate(UNFINISHED)) and not self.complaints():
            rested = rested + 1 if self.page.locator(IDLE).count() else 0
            assert rested < 60, f"the kernel rests, and these cells have not ended: {waiting}"
            time.sleep(1)

    def computed(self):
        """Return the seconds that the kernel has computed."""
        kernels = self.server.children(recursive=True)
        return sum(sum(kernel.cpu_times()[:2]) for kernel in kernels)

    def _place(self):
        """Return the number of the active cell."""
        return self.page.evaluate(PLACE)

    def complaints(self):
        """Return the errors and warnings that cells have shown."""
        kinds = ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr")
        found = ", ".join(f'[data-mime-type="{kind}"]' for kind in kinds)
        return self.page.locator(found).all_inner_texts()

    def explorers(self):
        """Return {name: Shown} of the explorers in the notebook."""
        found = {}
        for root in self.page.locator(".coursekit-explorer").all():
            kinds = root.get_attribute("class").split()
            name = next(k for k in kinds if k.startswith("coursekit-explore-"))
            found[name.removeprefix("coursekit-explore-")] = Shown(self, root)
        return found


SLIDERS = ".noUi-target"
BUTTONS = "button:not([disabled]):not(.widget-upload):not(.jupyter-widget-upload)"


class Shown:
    """An explorer on the page: what it shows, and hands that move its controls."""

    def __init__(self, lab, root):
        self.lab, self.page, self.root = lab, lab.page, root

    def state(self):
        """Return everything that it shows: pictures, texts and its sentence."""
        return self.root.evaluate(
            """root => [...root.querySelectorAll('img')].map(i => i.src).join()
                 + [...root.querySelectorAll('pre, .widget-html, .jupyter-widget-html')]
                     .map(one => one.textContent).join()"""
        )

    def changes(self, move):
        """Do something and return whether what is shown changes before the kernel has come to rest.

        At rest is a kernel that has computed nothing for five seconds, however slow the machine.
        """
        before, computed, rested = self.state(), self.lab.computed(), 0
        move()
        while rested < 20:
            time.sleep(0.25)
            if self.state() != before:
                return True
            last, computed = computed, self.lab.computed()
            rested = rested + 1 if computed < last + 0.03 else 0
        return False

    def only_text(self):
        """Whether all that can be done is to type."""
        others = f"{SLIDERS}, {BUTTONS}, select, input[type=checkbox], input[list]"
        return self.root.locator(others).count() == 0

    def by_mouse(self):
        """Move the controls by mouse until the picture changes; return what did it, or None."""
        for slider in self.root.locator(SLIDERS).all():
            box = self._visible(slider)
            places = (0.85, 0.15)
            for place in places:
                spot = {"x": box["width"] * place, "y": box["height"] / 2}
                if self.changes(lambda s=slider, at=spot: s.click(position=at, force=True)):
                    return "slider"
        for box in self.root.locator("input[type=checkbox]").all():
            if self.changes(box.click):
                return "checkbox"
        for button in self.root.locator(BUTTONS).all():
            if button.inner_text() and self.changes(button.click):
                return f"button {button.inner_text()}"
        for choice in self.root.locator("select").all():
            other = choice.evaluate("c => [...c.options].findLastIndex(o => !o.selected)")
            if self.changes(lambda c=choice, to=other: c.select_option(index=to)):
                return "choice"
        for field in self.root.locator("input[list]").all():
            if self.changes(lambda f=field: self._pick(f)):
                return "list"
        return None

    def _pick(self, field):
        """Take another name from the list below a field, as a click on it would."""
        other = "field => [...field.list.options].map(o => o.value).find(v => v != field.value)"
        field.click()
        field.fill(field.evaluate(other))
        self.page.keyboard.press("Enter")

    def by_keyboard(self):
        """Move the controls by keys until the picture changes; return what did it, or None."""
        for handle in self.root.locator(".noUi-handle").all():
            for key in ("ArrowRight", "ArrowLeft"):
                if self.changes(lambda h=handle, k=key: self._press(h, k, k, k)):
                    return "slider"
        for choice in self.root.locator("select").all():
            for key in ("ArrowUp", "ArrowDown"):  # in the list that the space bar opens
                if self.changes(lambda c=choice, k=key: self._press(c, "Space", k, "Enter")):
                    return "choice"
        for field in self.root.locator("input[type=number]").all():
            if self.changes(lambda f=field: self._press(f, "ArrowUp")):
                return "number"
        for field in self.root.locator("input[type=text], textarea").all():
            if self.changes(lambda f=field: self._type(f, "the ")):
                return "text"
        for button in self.root.locator(BUTTONS).all():
            if button.inner_text() and self.changes(lambda b=button: self._press(b, "Space")):
                return f"button {button.inner_text()}"
        return None

    def _press(self, control, *keys):
        control.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def _type(self, field, text):
        field.focus()
        self.page.keyboard.press("Home")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def _visible(self, control):
        control.scroll_into_view_if_needed()
        return control.bounding_box()

    def screenshot(self, name):
        """Keep a picture of it, to be looked at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.root.scroll_into_view_if_needed()
        self.root.screenshot(path=SCREENSHOTS / f"{name}.png")
