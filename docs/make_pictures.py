"""Make the pictures of the README: ``python docs/make_pictures.py``.

It trains the quickstart, writes its report and the web page of the zoo's
``dept_quickstart``, and photographs both in Chromium. It needs Chromium with
its driver, npm, and ``pip install -e ".[openmmlab,export]" selenium``.
"""
import functools
import http.server
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium import webdriver

ROOT = Path(__file__).parents[1]
TARGET = ROOT / 'docs/pictures'


def run(tool: str, *args: str | Path) -> None:
    """Run a tool of the repository."""
    subprocess.run([sys.executable, ROOT / 'tools' / tool, *args], cwd=ROOT,
                   check=True)


def open_browser(width: int, height: int) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = (shutil.which('chromium')
                               or shutil.which('google-chrome'))
    for option in ('--headless=new', '--no-sandbox', '--hide-scrollbars',
                   f'--window-size={width},{height}'):
        options.add_argument(option)
    return webdriver.Chrome(options, webdriver.ChromeService(
        shutil.which('chromedriver')))


def photograph_report(folder: Path) -> None:
    run('train.py', 'configs/dept/quickstart.py', '--work-dir', folder)
    browser = open_browser(900, 1000)
    browser.get(f'file://{folder}/report.html')
    browser.save_screenshot(TARGET / 'report.png')
    browser.quit()


def photograph_page(folder: Path) -> None:
    run('demo.py', 'dept_quickstart', folder / 'page')
    run('draw_photos.py', folder / 'photos', 'striped orange star',
        '--images', '1')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler,
                                directory=folder / 'page')
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = open_browser(900, 800)
    browser.get(f'http://127.0.0.1:{server.server_port}/index.html')
    wait_for(browser, "document.getElementById('status').textContent"
                      " === 'Ready.'")
    photo, = (folder / 'photos').rglob('*.png')
    browser.find_element('id', 'file').send_keys(str(photo))
    wait_for(browser, 'demo.found')
    browser.find_element('id', 'name').send_keys('striped yellow star\n')
    wait_for(browser, 'demo.model.classes.at(-1).weights')
    time.sleep(1)  # the bars move
    browser.save_screenshot(TARGET / 'page.png')
    browser.quit()
    server.shutdown()


def wait_for(browser: webdriver.Chrome, condition: str) -> None:
    until = time.monotonic() + 60
    while not browser.execute_script(f'return {condition}'):
        if time.monotonic() > until:
            sys.exit(f'The page never got to: {condition}')
        time.sleep(.1)


if __name__ == '__main__':
    TARGET.mkdir(exist_ok=True)
    for photograph in (photograph_report, photograph_page):
        with TemporaryDirectory() as place:
            photograph(Path(place))
