"""The images that a user means."""
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dept_mm.apis import find_images
from dept_mm.errors import DeptError


@pytest.fixture
def folder(tmp_path):
    for name in ('b.PNG', 'a.jpg', 'sub/c.webp', '.hidden/d.jpg', '.e.jpg',
                 'notes.txt'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'')
    return tmp_path


def names(found):
    return [Path(path).name for path in found]


def test_files_folders_and_patterns(folder):
    assert names(find_images(folder)) == ['a.jpg', 'b.PNG', 'c.webp']
    assert names(find_images(f'{folder}/*.jpg')) == ['a.jpg']
    assert names(find_images(f'{folder}/**/*.webp')) == ['c.webp']
    assert names(find_images(f'{folder}/s*')) == ['c.webp']  # a folder
    assert names(find_images([folder / 'b.PNG', str(folder / 'sub')])) == [
        'b.PNG', 'c.webp']
    odd = folder / 'a[1].jpg'  # a file, though it looks like a pattern
    odd.write_bytes(b'')
    assert find_images(str(odd)) == [str(odd)]


def test_lists_in_a_csv_file(folder, tmp_path):
    table = folder / 'list.csv'
    table.write_text(f'\ufeffpath,label\nsub/c.webp,cat\n{folder}/a.jpg,cow\n',
                     'utf-8')
    assert find_images(table) == [f'{folder}/sub/c.webp', f'{folder}/a.jpg']
    for text in ('image\na.jpg\n', 'path\n', 'path,label\n,cat\n'):
        table.write_text(text)
        with pytest.raises(DeptError, match="a column 'path'"):
            find_images(table)
    table.write_bytes(b'path\n\xff\n')
    with pytest.raises(DeptError, match='not a csv file in utf-8'):
        find_images(table)


def test_images_in_memory_stay_as_they_are():
    array, tensor = np.zeros((4, 5, 3), np.uint8), torch.zeros(3, 4, 5)
    image = Image.new('RGB', (5, 4))
    assert find_images(array)[0] is array
    assert find_images([image, tensor])[0] is image
    assert [x.shape for x in find_images([tensor, torch.zeros(2, 3, 4, 5)])
            ] == [(3, 4, 5)] * 3


def test_addresses_only_where_they_are_allowed():
    url = 'https://example.org/a.jpg'
    with pytest.raises(DeptError, match='allow_urls=True or --allow-urls'):
        find_images([url])
    assert find_images([url], allow_urls=True) == [url]


def test_what_is_no_image(tmp_path):
    (tmp_path / 'notes.txt').write_text('no image')
    for images, words in (
            (tmp_path, 'has no images; files that end in .jpg'),
            (tmp_path / 'x.jpg', r'Image not found: .*/x\.jpg'),
            (f'{tmp_path}/*.jpg', 'matches no file'),
            ('ftp://example.org/a.jpg', 'Image not found'),
            ([], 'the list is empty'), ([3], 'A int is no image')):
        with pytest.raises(DeptError, match=words):
            find_images(images)
