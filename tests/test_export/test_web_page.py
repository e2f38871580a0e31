"""The web page: in a browser, it answers as Python does."""
import base64
import functools
import gzip
import hashlib
import http.server
import io
import shutil
import tarfile
import threading
import time

import pytest
import torch
from PIL import Image
from run_tool import run_tool
from shared_fixtures import NAMES

import dept_mm
from dept_mm.datasets.drawings import HELD_OUT
from dept_mm.errors import DeptError
from dept_mm.export import web_runtime
from dept_mm.models.clip.tokens import Words

BROWSER = shutil.which('chromium') or shutil.which('google-chrome')
ODD = (
    'sea horse', "Murphy's  Law", 'crème brûlée', 'cafe\u0301', 'Straße 42',
    'a_b-c/d (1987)', 'AT&amp;T', 'x &lt; y', 'a < b > c', '🦊 fox',
    '日本の猫', 'кот', 'قطة', 'ΑΣΠΙΣ', 'İstanbul', "I'll they're WE'VE",
    "it's", 'it‘s', '“quoted” ‘so’', 'ﬁsh', 'Ｆｕｌｌ　width', 'Ⅷ x² ½',
    '#@$%^*~`|', '...', 'x' * 60)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A file that passes for onnxruntime-web."""
    path = tmp_path / web_runtime.FILE
    with tarfile.open(path, 'w:gz') as archive:
        for name in (*web_runtime.SCRIPTS, web_runtime.BINARY):
            info = tarfile.TarInfo(f'package/dist/{name}')
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    digest = hashlib.sha512(path.read_bytes()).digest()
    monkeypatch.setattr(web_runtime, 'SHA512',
                        base64.b64encode(digest).decode())
    return path


def test_what_the_page_consists_of(package, tmp_path):
    page = tmp_path / 'page'
    done = run_tool('demo.py', 'coop_quickstart', page, '--runtime', package)
    assert done.returncode == 0, done.stderr
    assert f'http.server -d {page}' in done.stdout
    files = {p.relative_to(page).as_posix() for p in page.rglob('*.*')}
    assert files == {
        'index.html', 'style.css', 'app.js', 'model.js', 'tokenizer.js',
        'model.json', 'model.onnx.gz', 'text.onnx.gz', 'merges.txt.gz',
        'runtime/ort.wasm.gz', *(f'runtime/{name}' for name in
                                 web_runtime.SCRIPTS)}
    assert gzip.decompress((page / 'runtime/ort.wasm.gz').read_bytes()
                           ) == web_runtime.BINARY.encode()
    for path in page.glob('*.*'):  # it loads nothing from elsewhere
        if path.suffix in ('.html', '.css', '.js'):
            assert '://' not in path.read_text('utf-8')


def test_what_is_no_runtime(package, tmp_path, monkeypatch):
    damaged = tmp_path / 'damaged.tgz'
    damaged.write_bytes(package.read_bytes() + b'x')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'empty'))
    monkeypatch.setenv('PATH', '')
    for file, words in ((damaged, 'is not onnxruntime-web@'),
                        (tmp_path / 'none', 'cannot be read'),
                        (None, 'there is no npm here(.|\n)*--runtime')):
        with pytest.raises(DeptError, match=words):
            web_runtime.read_runtime(file)


def test_a_download_is_kept(package, tmp_path, monkeypatch):
    """npm is asked once; what fails leaves nothing."""
    cache = tmp_path / 'cache'
    monkeypatch.setenv('XDG_CACHE_HOME', str(cache))
    npm = tmp_path / 'npm'
    npm.write_text('#!/bin/sh\necho no network >&2; exit 1\n')
    npm.chmod(0o755)
    monkeypatch.setattr(web_runtime.shutil, 'which', lambda _: str(npm))
    with pytest.raises(DeptError, match='no network'):
        web_runtime.read_runtime()
    assert not list((cache / 'dept_mm').iterdir())
    npm.write_text(f'#!/bin/sh\ncp {package} .\n')
    found = web_runtime.read_runtime()
    npm.unlink()
    assert web_runtime.read_runtime() == found


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """Address of a page that a server of files shows."""
    if not BROWSER or not shutil.which('chromedriver'):
        pytest.skip('no Chromium with its driver')
    folder = tmp_path_factory.mktemp('page')
    try:
        web_runtime.read_runtime()
    except DeptError as error:
        pytest.skip(str(error))
    done = run_tool('demo.py', 'dept_quickstart', folder)
    assert done.returncode == 0, done.stderr
    size = sum(p.stat().st_size for p in folder.rglob('*') if p.is_file())
    assert size < 10e6
    handler = functools.partial(http.server.SimpleHTTPRequestHandler,
                                directory=folder)
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/index.html'
    server.shutdown()


@pytest.fixture(scope='module')
def driver(site):
    """Chromium, in which the page is loaded."""
    from selenium import webdriver
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in ('--headless=new', '--no-sandbox', '--disable-gpu',
                   '--disable-dev-shm-usage', '--force-color-profile=srgb',
                   '--use-fake-device-for-media-stream',
                   '--use-fake-ui-for-media-stream'):
        options.add_argument(option)
    options.set_capability('goog:loggingPrefs', dict(browser='ALL'))
    driver = webdriver.Chrome(
        options, webdriver.ChromeService(shutil.which('chromedriver')))
    driver.get(site)
    wait_for(driver, "return document.getElementById('status').textContent "
                     "=== 'Ready.'")
    yield driver
    driver.quit()


def wait_for(driver, script, seconds=60):
    until = time.monotonic() + seconds
    while not driver.execute_script(script):
        status = driver.find_element('id', 'status').text
        assert time.monotonic() < until, f'never: {script} ({status})'
        time.sleep(.05)


def classify(driver, path):
    """Give the page a photo; returns its probabilities."""
    driver.execute_script('demo_seen = window.demo.found')
    driver.find_element('id', 'file').send_keys(str(path))
    wait_for(driver, 'return window.demo.found && '
                     'window.demo.found !== demo_seen')
    return torch.tensor(driver.execute_script(
        'return demo.model.score(demo.found)'))


def add(driver, name):
    field = driver.find_element('id', 'name')
    field.clear()
    field.send_keys(name + '\n')


@pytest.mark.slow
def test_in_a_browser(driver, tmp_path):
    """Photos, two of which are resized, are classified as in Python, before
    and after a class is added; nothing is wrong on the console."""
    model = dept_mm.load('dept_quickstart')
    done = run_tool('draw_photos.py', tmp_path, *HELD_OUT[:3], '--images', 1)
    assert done.returncode == 0
    photos = sorted(tmp_path.rglob('*.png'))
    enlarge(photos[0], 150, 100)
    enlarge(photos[1], 90, 200)
    for photo in photos:
        found, expected = classify(driver, photo), model.probabilities(photo)
        assert found.argmax() == expected.argmax()
        torch.testing.assert_close(found, expected[0], rtol=0, atol=1e-3)
    add(driver, 'striped purple_moon')
    wait_for(driver, 'return demo.model.classes.length === 33')
    more = model.with_classes(['striped purple_moon'], also=True)
    found = classify(driver, photos[0])
    torch.testing.assert_close(found, more.probabilities(photos[0])[0],
                               rtol=0, atol=1e-3)
    shown = driver.find_element('id', 'bars').text
    assert more.predict(photos[0], k=1)[0].name in shown.splitlines()[0]
    # A class that is there, a long name and an empty one are refused.
    for name, words in (('Striped  purple moon', 'there already'),
                        ('a ' * 90, 'too long'), (' ', 'needs a name')):
        add(driver, name)
        wait_for(driver, 'return document.getElementById("problem")'
                         f'.textContent.includes("{words}")')
    # A few trained ones beside it; one of them comes back as what it was.
    left = model.module.head.class_ids[:4]
    driver.find_element('id', 'more').click()
    driver.execute_script(
        "for (const name of arguments[0]) document.querySelector("
        "`[aria-label='Remove ${name}']`).click()",
        [name for name in model.classes if name not in left[1:]])
    add(driver, left[0])
    wait_for(driver, 'return demo.model.classes.length === 5')
    few = model.with_classes([*left[1:], 'striped purple_moon', left[0]])
    for photo in photos:
        torch.testing.assert_close(
            classify(driver, photo), few.probabilities(photo)[0], rtol=0,
            atol=1e-3)
    assert [line for line in driver.get_log('browser')
            if line['level'] in ('SEVERE', 'WARNING')] == []


@pytest.mark.slow
def test_the_camera(driver):
    """Chromium plays a film in its place."""
    button = driver.find_element('id', 'camera')
    for name, films in (('Stop the camera', True), ('Use the camera', False)):
        driver.execute_script('demo_seen = window.demo.found')
        button.click()
        wait_for(driver, 'return document.getElementById("camera").textContent'
                         f' === "{name}"')
        if films:
            wait_for(driver, 'return window.demo.found !== demo_seen')
    time.sleep(.2)
    last = driver.execute_script('return demo_seen = window.demo.found')
    time.sleep(.2)
    assert last and driver.execute_script(
        'return window.demo.found === demo_seen')


def enlarge(path, width, height):
    with Image.open(path) as image:
        image.resize((width, height)).save(path)


@pytest.mark.slow
def test_names_become_the_same_tokens(driver):
    words = Words(dept_mm.load('dept_quickstart').module.backbone.clip
                  .tokenizer)
    for name in (*ODD, *NAMES, *HELD_OUT):
        found = driver.execute_script(
            'return demo.model.words.encode(arguments[0])', name)
        assert found == words.encode(name), name
