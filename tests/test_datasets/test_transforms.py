"""Images reach the model as open_clip and the public CoOp code would."""
import math
import random
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision import transforms as tv

import dept_mm.datasets  # noqa: F401
from dept_mm.errors import DeptError, UnreadableImage
from dept_mm.registry import TRANSFORMS

SIZES = [(53, 37), (37, 53), (64, 64), (65, 64), (64, 66), (1, 1), (3, 90),
         (301, 5), (500, 375), (333, 481), (97, 96)]


@pytest.fixture
def clip(monkeypatch):
    """``clip(**spec) -> config`` of a CLIP that wants such images."""

    def make(**spec):
        module = ModuleType('spec')
        module.clip_spec = lambda clip: SimpleNamespace(**clip)
        monkeypatch.setitem(sys.modules, 'dept_mm.models.clip.spec', module)
        return dict(dict(image_size=64, interpolation='bicubic',
                         resize_mode='shortest'), **spec)

    return make


def photo(width, height, mode='RGB', seed=0):
    """Noise over a slope: smooth and rough parts."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 200, width)[None, :, None]
    pixels = slope + rng.integers(0, 56, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def to_results(image):
    bgr = np.asarray(image.convert('RGB'))[..., ::-1]
    return dict(img=np.ascontiguousarray(bgr))


def rgb(results):
    return results['img'][..., ::-1]


def of_open_clip(image, **spec):
    cfg = PreprocessCfg(mean=(0, 0, 0), std=(1, 1, 1), **spec)
    tensor = image_transform_v2(cfg, is_train=False)(image)
    return (tensor * 255).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize('interpolation', ['bicubic', 'bilinear', 'random'])
@pytest.mark.parametrize('size', SIZES)
def test_inference_is_that_of_open_clip(clip, size, interpolation):
    image = photo(*size)
    transform = TRANSFORMS.build(dict(
        type='CLIPResizeCenterCrop', clip=clip(interpolation=interpolation)))
    results = transform(to_results(image))
    expected = of_open_clip(image, size=64, interpolation=interpolation)
    assert results['img_shape'] == (64, 64)
    np.testing.assert_array_equal(rgb(results), expected)


@pytest.mark.parametrize('image_size', [33, 224])
def test_inference_at_other_sizes(clip, image_size):
    image = photo(250, 187)
    transform = TRANSFORMS.build(dict(
        type='CLIPResizeCenterCrop', clip=clip(image_size=image_size)))
    np.testing.assert_array_equal(
        rgb(transform(to_results(image))), of_open_clip(
            image, size=image_size))


@pytest.mark.parametrize('size', SIZES)
def test_inference_that_squashes(clip, size):
    image = photo(*size)
    transform = TRANSFORMS.build(dict(
        type='CLIPResizeCenterCrop', clip=clip(resize_mode='squash')))
    np.testing.assert_array_equal(
        rgb(transform(to_results(image))),
        of_open_clip(image, size=64, resize_mode='squash'))


def test_unknown_resize_mode(clip):
    with pytest.raises(DeptError, match="'longest'"):
        TRANSFORMS.build(dict(
            type='CLIPResizeCenterCrop', clip=clip(resize_mode='longest')))


def test_pipeline_is_that_of_open_clip(clip, tmp_path):
    """From a grey file to the inputs of the model."""
    image = photo(90, 70, mode='L')
    image.save(tmp_path / 'grey.png')
    pipeline = Compose([
        TRANSFORMS.build(step) for step in (
            dict(type='LoadRGBImage'),
            dict(type='CLIPResizeCenterCrop', clip=clip()),
            dict(type='PackInputs'))])
    packed = pipeline(dict(img_path=str(tmp_path / 'grey.png'), gt_label=3))
    expected = torch.from_numpy(of_open_clip(image, size=64).copy())
    assert torch.equal(packed['inputs'].flip(0).permute(1, 2, 0), expected)
    assert packed['data_samples'].ori_shape == (70, 90)
    assert packed['data_samples'].img_shape == (64, 64)


def crops_of(transform, size, number):
    """(top, left, height, width) of crops, by the transform's own draw."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    return np.array([
        transform.steps[0].rand_crop_params(image) for _ in range(number)])


@pytest.mark.parametrize('size', [(300, 200), (90, 400)])
@pytest.mark.parametrize('kwargs', [
    dict(), dict(scale=[0.5, 0.9], ratio=[0.9, 1.1])])
def test_random_crops_follow_torchvision(clip, size, kwargs):
    transform = TRANSFORMS.build(dict(
        type='CLIPRandomResizedCrop', clip=clip(), **kwargs))
    np.random.seed(0)
    torch.manual_seed(0)
    found = crops_of(transform, size, 4000)
    scale = kwargs.get('scale', [0.08, 1.0])
    ratio = kwargs.get('ratio', [3 / 4, 4 / 3])
    expected = np.array([
        tv.RandomResizedCrop.get_params(Image.new('L', size), scale, ratio)
        for _ in range(4000)])
    percent = [2, 10, 25, 50, 75, 90, 98]
    for values in (lambda c: c[:, 2] * c[:, 3] / (size[0] * size[1]),
                   lambda c: np.log(c[:, 3] / c[:, 2]),
                   lambda c: c[:, 0] / size[1], lambda c: c[:, 1] / size[0]):
        np.testing.assert_allclose(
            np.percentile(values(found), percent),
            np.percentile(values(expected), percent), atol=0.03)


@pytest.mark.parametrize('size', [(53, 37), (333, 481), (20, 300)])
def test_random_crop_resizes_like_torchvision(clip, size):
    image = photo(*size)
    transform = TRANSFORMS.build(dict(
        type='CLIPRandomResizedCrop', clip=clip()))
    for seed in range(5):
        np.random.seed(seed)
        box = crops_of(transform, size, 1)[0]
        np.random.seed(seed)
        results = transform(to_results(image))
        expected = tv.functional.resized_crop(
            image, *(int(x) for x in box), [64, 64],
            tv.InterpolationMode.BICUBIC)
        np.testing.assert_array_equal(rgb(results), np.asarray(expected))


def test_random_crop_follows_the_global_seed(clip):
    transform = TRANSFORMS.build(dict(
        type='CLIPRandomResizedCrop', clip=clip()))
    images = []
    for seed in (1, 1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        images.append(transform(to_results(photo(80, 60)))['img'])
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_size_comes_from_the_clip():
    """With the real look-up: names alone, no weights."""
    clip = dict(name='ViT-B-16-quickgelu', pretrained='openai')
    for name in ('CLIPRandomResizedCrop', 'CLIPResizeCenterCrop'):
        results = TRANSFORMS.build(dict(type=name, clip=clip))(
            to_results(photo(90, 70)))
        assert results['img'].shape == (224, 224, 3)


@pytest.mark.parametrize('mode', ['RGB', 'L', 'P', 'RGBA', 'CMYK', '1'])
def test_load_converts_to_rgb(tmp_path, mode):
    path = tmp_path / ('x.tiff' if mode == 'CMYK' else 'x.png')
    photo(31, 17, mode=mode).save(path)
    results = TRANSFORMS.build(dict(type='LoadRGBImage'))(
        dict(img_path=str(path)))
    with Image.open(path) as image:
        np.testing.assert_array_equal(
            rgb(results), np.asarray(image.convert('RGB')))
    assert results['img'].dtype == np.uint8
    assert results['img'].flags.c_contiguous
    assert results['img_shape'] == results['ori_shape'] == (17, 31)


@pytest.mark.parametrize('dtype', [np.uint16, np.int32, np.float32])
def test_more_than_8_bits(tmp_path, dtype):
    """PIL would clip nearly all of them to white, and fractions to black."""
    path = tmp_path / 'x.tiff'
    Image.fromarray(np.arange(600).reshape(20, 30).astype(dtype)).save(path)
    with pytest.raises(UnreadableImage, match='more than 8 bits'):
        TRANSFORMS.build(dict(type='LoadRGBImage'))(dict(img_path=str(path)))


@pytest.mark.parametrize('size', [(1, 1001), (1001, 1)])
def test_load_refuses_a_thread(tmp_path, size):
    """A few bytes of file would be resized to 224 x 224,224 pixels."""
    Image.new('RGB', size).save(tmp_path / 'x.png')
    with pytest.raises(UnreadableImage, match='sides are .*1001'):
        TRANSFORMS.build(dict(type='LoadRGBImage'))(
            dict(img_path=str(tmp_path / 'x.png')))


def test_load_takes_the_first_frame(tmp_path):
    frames = photo(31, 17), photo(31, 17, mode='L')
    frames[0].save(tmp_path / 'x.png', save_all=True,
                   append_images=frames[1:])
    results = TRANSFORMS.build(dict(type='LoadRGBImage'))(
        dict(img_path=str(tmp_path / 'x.png')))
    np.testing.assert_array_equal(rgb(results), np.asarray(frames[0]))


def test_load_leaves_rotation_to_the_camera(tmp_path):
    """The public code ignores the EXIF flag; OpenCV would turn this."""
    image = photo(31, 17)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / 'x.png', exif=exif)
    results = TRANSFORMS.build(dict(type='LoadRGBImage'))(
        dict(img_path=str(tmp_path / 'x.png')))
    assert results['img_shape'] == (17, 31)


def test_load_passes_images_on():
    image = np.zeros((3, 4, 3), np.uint8)
    load = TRANSFORMS.build(dict(type='LoadRGBImage'))
    results = load(dict(img_path='no.png', img=image))
    assert results['img'] is image
    assert results['img_shape'] == results['ori_shape'] == (3, 4)
    results = load(dict(img=image, ori_shape=(30, 40)))
    assert results['ori_shape'] == (30, 40)


def test_load_names_the_missing_file(tmp_path):
    load = TRANSFORMS.build(dict(type='LoadRGBImage'))
    path = str(tmp_path / 'no.png')
    with pytest.raises(DeptError, match='Image not found') as error:
        load(dict(img_path=path))
    assert path in str(error.value)


@pytest.mark.parametrize('damage', [
    lambda data: b'', lambda data: b'no image', lambda data: data[:400]])
@pytest.mark.parametrize('kind', ['png', 'jpg'])
def test_load_names_the_broken_file(tmp_path, damage, kind):
    path = tmp_path / f'x.{kind}'
    photo(90, 70).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DeptError, match='cannot be read') as error:
        TRANSFORMS.build(dict(type='LoadRGBImage'))(dict(img_path=str(path)))
    assert str(path) in str(error.value)


def test_ratio_is_drawn_evenly_in_its_logarithm(clip):
    """A square photo is cropped as often wide as high."""
    transform = TRANSFORMS.build(dict(
        type='CLIPRandomResizedCrop', clip=clip(), scale=(0.1, 0.2)))
    np.random.seed(0)
    crops = crops_of(transform, (900, 900), 4000)
    logs = np.log(crops[:, 3] / crops[:, 2])
    assert abs(logs.mean()) < 0.01
    assert math.isclose(logs.std(), math.log(16 / 9) / 12**.5, rel_tol=0.03)
