"""How images are prepared: as a description, and as an ONNX graph."""
from __future__ import annotations

from pathlib import Path

from dept_mm.apis import TunedModel
from dept_mm.errors import DeptError
from dept_mm.models.clip import clip_spec

# The first operator set whose Resize filters when it makes images smaller.
OPSET = 18
# PIL resizes bytes: with a filter, and without what is outside of the image.
GRAPH = """<ir_version: 8, opset_import: ["" : %(opset)d]>
prepare (uint8[batch, height, width, 3] images)
    => (float[batch, 3, %(size)d, %(size)d] pixels) {
    planes = Transpose <perm = [0, 3, 1, 2]> (images)
    shape = Shape (planes)
    zero = Constant <value_ints = [0]> ()
    two = Constant <value_ints = [2]> ()
    four = Constant <value_ints = [4]> ()
    side = Constant <value_ints = [%(size)d]> ()
    count = Slice (shape, zero, two)
    sides = Slice (shape, two, four)
    %(steps)s
    mean = Constant <value = float[1, 3, 1, 1] {%(mean)s}> ()
    std = Constant <value = float[1, 3, 1, 1] {%(std)s}> ()
    wide = Cast <to = 1> (cut)
    centred = Sub (wide, mean)
    pixels = Div (centred, std)
}"""
RESIZE = """sizes = Concat <axis = 0> (count, resized)
    %(to)s = Resize <mode = "%(mode)s", antialias = 1, cubic_coeff_a = -0.5,
        exclude_outside = 1,
        coordinate_transformation_mode = "half_pixel"> (planes, , , sizes)"""
STEPS = dict(
    squash='resized = Concat <axis = 0> (side, side)\n' + RESIZE,
    shortest="""least = ReduceMin <keepdims = 1> (sides)
    product = Mul (sides, side)
    resized = Div (product, least)
    """ + RESIZE + """
    spare = Sub (resized, side)
    spare_float = Cast <to = 1> (spare)
    half = Constant <value_floats = [0.5]> ()
    exact = Mul (spare_float, half)
    rounded = Round (exact)
    first = Cast <to = 7> (rounded)
    stop = Add (first, side)
    axes = Constant <value_ints = [2, 3]> ()
    cut = Slice (%(to)s, first, stop, axes)""")


def describe_preprocessing(model: TunedModel) -> dict:
    """Describe how the test images of a model are prepared, in JSON types.

    Raises:
        DeptError: If the test pipeline has a step that is not known here.
    """
    steps = model.config.test_dataloader.dataset.pipeline
    crop = [s for s in steps if s['type'] == 'CLIPResizeCenterCrop']
    known = ('LoadRGBImage', 'LoadImageFromFile', 'PackInputs')
    others = [s['type'] for s in steps if s not in crop
              and s['type'] not in known]
    if len(crop) != 1 or others:
        raise DeptError(
            'The test pipeline of the model is '
            f'{[s["type"] for s in steps]}; only the one of this package, '
            'with CLIPResizeCenterCrop, can be described or exported.')
    spec, numbers = clip_spec(crop[0]['clip']), model.module.data_preprocessor
    return dict(
        resize=spec.resize_mode, size=spec.image_size,
        crop='centre' if spec.resize_mode == 'shortest' else None,
        interpolation=('bilinear' if spec.interpolation == 'bilinear'
                       else 'bicubic'),
        antialias=True, channels='RGB',
        mean=numbers.mean.flatten().tolist(),
        std=numbers.std.flatten().tolist())


def add_preprocessing(path: Path, rule: dict) -> None:
    """Put the preparation of images into an ONNX file.

    Args:
        path (Path): Its input ``pixels`` becomes ``images (B, H, W, 3)``,
            uint8 and RGB.
        rule (dict): Of :func:`describe_preprocessing`.
    """
    import onnx
    from onnx import compose, parser
    steps = STEPS[rule['resize']] % dict(
        to='small' if rule['crop'] else 'cut',
        mode='linear' if rule['interpolation'] == 'bilinear' else 'cubic')
    numbers = {key: ', '.join(f'{x:.9g}' for x in rule[key])
               for key in ('mean', 'std')}
    graph = compose.add_prefix(
        parser.parse_model(GRAPH % dict(
            numbers, opset=OPSET, size=rule['size'], steps=steps)),
        'prepare/', rename_inputs=False, rename_outputs=False)
    network = onnx.load(path)
    graph.ir_version = network.ir_version
    whole = compose.merge_models(graph, network, [('pixels', 'pixels')])
    del whole.opset_import[1:]  # each names it; quantisation wants one
    onnx.save(whole, path)
