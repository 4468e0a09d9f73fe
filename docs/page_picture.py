"""A picture of a web page after some clicks, taken by a headless Chromium through its DevTools protocol.

    python docs/page_picture.py ADDRESS FILE.png [--click SELECTOR[=TEXT][#NUMBER]]… [--size 1200x860] [--scale 1]

A click waits for its element. SELECTOR is CSS, TEXT is the whole text of the element, NUMBER says which of them
(from 0). SCALE is the number of pixels in the picture for each pixel of the page.
"""

import asyncio
import base64
import json
import os
import re
import signal
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import aiohttp

SECONDS = 60
SETTLED_SECONDS = 1.5
"""Time for animations and loading to end after the last click."""

CLICK = """(() => {
    const found = [...document.querySelectorAll(%s)].filter(each => %s === null || each.textContent.trim() === %s);
    found[%d]?.click();
    return found.length > %d;
})()"""


class Page:
    """One open page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """``socket`` is the page's DevTools connection."""
        self._socket = socket
        self._last = 0

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one DevTools command; events of the page in between are dropped."""
        self._last += 1
        await self._socket.send_json({"id": self._last, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != self._last:
            pass
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']['message']}")
        return answer["result"]

    async def click(self, target: str) -> None:
        """Click as soon as the element exists."""
        match = re.fullmatch(r"([^=#]+)(?:=(.*?))?(?:#(\d+))?", target)
        if match is None:
            raise SystemExit(f"{target} is not a valid SELECTOR[=TEXT][#NUMBER].")
        selector, text, number = json.dumps(match[1]), json.dumps(match[2]), int(match[3] or 0)
        script = CLICK % (selector, text, text, number, number)
        await self._until(script)
        await asyncio.sleep(SETTLED_SECONDS)

    async def open(self, address: str) -> None:
        """Go to ``address`` and wait until it is loaded."""
        await self.ask("Page.navigate", url=address)
        await self._until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def _until(self, script: str) -> None:
        while not (await self.ask("Runtime.evaluate", expression=script))["result"].get("value"):
            await asyncio.sleep(0.2)


async def take(options: Namespace, profile: str) -> None:
    """Open the page, click, and write the picture."""
    width, height = options.size.split("x")
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []  # chromium's sandbox refuses root
    browser = await asyncio.create_subprocess_exec(
        os.environ.get("CHROMIUM", "chromium"),
        *("--headless", *sandbox, "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
        *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
        *(f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"),
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port_file = Path(profile, "DevToolsActivePort")
        while not (port_file.is_file() and (port := port_file.read_text().split("\n")[0])):
            if browser.returncode is not None:
                raise SystemExit(f"The browser exited with code {browser.returncode} before it was ready.")
            await asyncio.sleep(0.1)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                (target,) = [each for each in json.loads(await answer.text()) if each["type"] == "page"]
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                size = {"width": int(width), "height": int(height), "deviceScaleFactor": options.scale, "mobile": False}
                await page.ask("Emulation.setDeviceMetricsOverride", **size)
                await page.open(options.address)
                for target in options.click:
                    await page.click(target)
                picture = await page.ask("Page.captureScreenshot", format="png")
        await asyncio.to_thread(options.file.write_bytes, base64.b64decode(picture["data"]))
    finally:
        if browser.returncode is None:
            os.killpg(browser.pid, signal.SIGTERM)
            await browser.wait()


async def main() -> None:
    """Read the command line and take the picture within ``SECONDS``."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("file", type=Path)
    parser.add_argument("--click", action="append", default=[])
    parser.add_argument("--size", default="1200x860")
    parser.add_argument("--scale", type=float, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        try:
            await asyncio.wait_for(take(options, profile), SECONDS)
        except TimeoutError:
            sys.exit(f"No picture of {options.address} after {SECONDS} s. Is everything to be clicked on the page?")


if __name__ == "__main__":
    asyncio.run(main())
