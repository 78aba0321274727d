"""The playground in a real browser: choose data, train, see the loss fall, no error in the console, nothing from the network.

    python tests/playground/in_browser.py [--pictures FOLDER]

It drives the system's Chromium by Playwright: ``apt install chromium``, ``pip install playwright``. `make test-playground`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from shutil import which

SIZES = {"laptop": (1366, 768), "projector": (1920, 1080)}


def choose(page, label, value):
    page.get_by_label(label, exact=True).select_option(value)


def number(page, name):
    text = page.locator(f"#{name}").inner_text()
    return float(text.rstrip("%")) if text != "-" else None


def wait_for(page, question, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if question():
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"after {seconds} s still not: {what}")


def visit(browser, address, name, pictures):
    width, height = SIZES[name]
    page = browser.new_page(viewport={"width": width, "height": height})
    problems = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(f"asked for {request.url}") if "127.0.0.1" not in request.url
            and request.url.startswith("http") else None)  # fmt: skip
    page.goto(address)
    page.get_by_role("button", name="train", exact=True).wait_for(timeout=60_000)
    wait_for(page, lambda: page.locator("#epoch").count(), 30, "the page shows its epoch")
    over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert over <= 0, f"the page is {over} pixels wider than a {name}"

    choose(page, "data set", "spiral")
    wait_for(page, lambda: 'load("spiral"' in page.locator("textarea").input_value(), 20, "the code is about the spiral")
    page.get_by_role("button", name="train", exact=True).click()
    wait_for(page, lambda: (number(page, "epoch") or 0) >= 5, 60, "five epochs")
    first = number(page, "loss")
    wait_for(page, lambda: (number(page, "epoch") or 0) >= 60, 90, "sixty epochs")
    last = number(page, "loss")
    page.get_by_role("button", name="pause", exact=True).click()
    assert last < 0.9 * first, f"the loss went from {first} to {last}"
    if pictures:
        page.screenshot(path=str(pictures / f"playground_{name}.png"), full_page=True)

    choose(page, "break a gradient on purpose", "Linear: delta with the wrong sign")
    wait_for(page, lambda: "WrongSign(2, 6" in page.locator("textarea").input_value(), 20, "the code has the mistake")
    page.get_by_role("button", name="check the gradients").click()
    wait_for(page, lambda: page.get_by_text(re.compile(r"WrongSign\.backward_delta")).count(), 60, "the checker names it")
    page.get_by_role("button", name="train", exact=True).click()
    wait_for(page, lambda: (number(page, "epoch") or 0) >= 60, 90, "sixty epochs with the mistake")
    broken = number(page, "loss")
    page.get_by_role("button", name="pause", exact=True).click()
    assert broken > last, f"with a wrong sign the loss is {broken}, without {last}"
    page.get_by_role("button", name="why does it not learn?").click()
    wait_for(page, lambda: page.get_by_text(re.compile("layer 0 WrongSign")).count(), 60, "an answer to why")
    if pictures:
        page.screenshot(path=str(pictures / f"playground_{name}_broken.png"), full_page=True)
    assert problems == [], problems
    page.close()
    print(f"{name}: the loss fell from {first} to {last}; no error in the console, nothing asked for outside")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="a folder for screenshots")
    options = parser.parse_args()
    chromium = which("chromium") or which("chromium-browser") or which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("the browser test needs Playwright: pip install playwright")
    if chromium is None:
        sys.exit("the browser test needs Chromium: apt install chromium, or your system's way")
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-u", "-m", "modnet", "playground", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        address, said = None, []
        for line in server.stdout:
            said.append(line)
            found = re.search(r"http://\S+", line)
            if found:
                address = found[0]
                break
        assert address, "".join(said)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for name in SIZES:
                visit(browser, address, name, options.pictures)
            browser.close()
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main()
