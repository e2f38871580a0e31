"""Public checkpoints of newer methods, converted, give the public logits.

Their entries are those that make_methods.py and make_clip_lora.py have seen.
"""
import json
import re

import numpy as np
import pytest
import torch
from make_methods import SALT, make_images
from mmengine.config import Config
from reference_clip import BASE, NEW, REFERENCE, reference_clip, write_clip
from saved_entries import rebuild_entries
from test_methods import METHODS, NECKS, TEMPLATE, close

from dept_mm.errors import DeptError
from dept_mm.exchange import import_checkpoint, load_adapter
from dept_mm.models.clip import build_clip

# Method -> what the report says of entries that are not learned.
DROPPED = dict(
    mmrl='dropped: prompt_embeddings; they say the same 5 class names',
    mmrlpp='dropped: prompt_embeddings; they say the same 5 class names',
    mm_adapter='dropped: token_embedding, tokenized_prompts; they say the',
    coprompt='dropped: token_suffix; they say the same 5 class names',
    coop_atp='dropped: prompt_learner.ctx_att3; the checkpoint has no words',
    maple_atp='dropped: prompt_learner.ctx_att3; the checkpoint has no words',
    clip_lora='checked: r, encoder, params, position, alpha')


@pytest.fixture(scope='module')
def clip_config(tmp_path_factory):
    """The CLIP of the reference outputs, as a folder."""
    config = write_clip(tmp_path_factory.mktemp('reference'), SALT)
    shared = build_clip(config)  # read once: models of a process share it
    yield config
    assert build_clip(config) is shared


class Case:
    """A public checkpoint of one method, and the config to import it."""

    def __init__(self, name, clip, folder):
        with np.load(REFERENCE / f'method_{name}.npz') as file:
            self.expected = {key: file[key] for key in file.files}
        self.state = rebuild_entries(
            self.expected, reference_clip(SALT).model.state_dict(), SALT)
        self.metadata = None
        if 'metadata' in self.expected:
            self.metadata = json.loads(self.expected['metadata'].item())
        self.prompt = dict(METHODS[name][0])
        self.neck = NECKS.get(name)
        self.names, self.clip = BASE, clip
        self.source, self.target = (
            folder / 'checkpoint', folder / 'x.safetensors')

    def write(self):
        """Write the checkpoint as the public code does."""
        if self.metadata is None:
            torch.save(dict(state_dict=self.state, epoch=1), self.source)
        else:
            weights = {}
            for key, value in self.state.items():
                layer, place, leaf = key.split('.')
                weights.setdefault(layer, {}).setdefault(place, {})[leaf] = (
                    value)
            torch.save(dict(weights=weights, metadata=self.metadata),
                       self.source)

    def run(self):
        """Write and import the checkpoint."""
        self.write()
        model = dict(
            type='ImageClassifier', head=dict(type='CLIPHead'),
            backbone=dict(
                type='PromptedCLIP', clip=self.clip, prompt=self.prompt,
                vocabulary=dict(names=self.names + NEW, base=self.names,
                                templates=TEMPLATE)))
        if self.neck:
            model['neck'] = dict(self.neck, clip=self.clip)
        return import_checkpoint(self.source, self.target,
                                 Config(dict(model=model)))


@pytest.fixture
def case(request, clip_config, tmp_path):
    return Case(request.param, clip_config, tmp_path)


@pytest.mark.parametrize('case', METHODS, indirect=True)
def test_gives_the_logits_of_the_public_code(case, request):
    report = '\n'.join(case.run())
    name = request.node.callspec.params['case']
    assert DROPPED[name] in report
    learned = {key.removeprefix('grad/') for key in case.expected
               if key.startswith('grad/')}
    shapes = json.loads(case.expected['saved'].item()).values()
    taken = sum(np.prod(shape, dtype=int) for source, shape in shapes
                if source in learned)
    assert f'taken: {taken} learned' in report
    for half, names in dict(base=BASE, new=NEW).items():
        model = load_adapter(case.target, names, clip=case.clip)
        with torch.no_grad():
            logits = model(make_images()[0])
        close(logits, torch.from_numpy(case.expected[f'logits_{half}']), 1e-4)


def change(name, function):
    """Change the values of an entry of the checkpoint."""
    def spoil(case):
        case.state[name] = function(case.state[name])
    return spoil


def add(name, value):
    return lambda case: case.state.update({name: value})


def learner(**options):
    """Change options of the learner in the config."""
    return lambda case: case.prompt.update(options)


def option(**changes):
    """Change the options that CLIP-LoRA wrote down."""
    return lambda case: case.metadata.update(changes)


@pytest.mark.parametrize('case, spoil, culprit', [
    ('mmrl', lambda case: setattr(case, 'names', BASE[::-1]),
     'another order: 4 of 5'),
    ('mmrlpp', learner(rank=3), r'srra\.0\.A is \(512, 4\).*\(512, 3\)'),
    ('mmrlpp', learner(rank=None), 'no .*rep_tokens_r2tproj.0.weight'),
    ('mm_adapter', learner(words='an image of'),
     "another template.*: 5 of 5.*'an image of {}.'"),
    ('mm_adapter', change('tokenized_prompts', lambda ids: ids.flip(0)),
     'another order: 4 of 5'),
    ('mm_adapter', change('token_embedding', lambda x: x[:4]), 'on 4 classes'),
    ('mm_adapter', change('token_embedding', lambda x: x[0, 0, 0]),
     'on 0 classes'),
    ('mm_adapter', learner(width=5), r'\(4, 512\).*\(5, 512\)'),
    ('mm_adapter', learner(first_block=3), r'not explained.*adapter\.2'),
    ('mm_adapter', add('extra', torch.ones(1)), 'not explained.*extra'),
    ('coprompt', change('model_distill.text_projection', lambda x: x + 1),
     'frozen CLIP is not.*model_distill'),
    ('coprompt', change('model_distill.visual.proj', lambda x: x + 1),
     'frozen CLIP is not.*model_distill'),
    ('coprompt', lambda case: setattr(case, 'neck', None),
     'not explained.*adapter_image'),
    ('coop_atp', learner(attributes=['color', 'size']),
     "attribute 2 is 'size'"),
    ('coop_atp', change('token_middle1', lambda x: x[..., :1, :8]),
     "attribute 1 is 'color'"),
    ('coop_atp', learner(attributes=['color']),
     'not explained.*ctx_att2.*token_middle2'),
    ('coop_atp', lambda case: setattr(case, 'prompt', case.prompt['host']),
     'not explained.*ctx_att1'),
    ('clip_lora', learner(rank=3), 'r of CLIP-LoRA is 2.*but 3'),
    ('clip_lora', learner(alpha=2.), 'alpha of CLIP-LoRA is 1 .*2.0'),
    ('clip_lora', option(alpha='x'), "alpha of CLIP-LoRA is 'x'"),
    ('clip_lora', learner(places=['query']), r"\['k', 'q', 'v'\].*\['q'\]"),
    ('clip_lora', learner(towers=['image']), "is 'both'.*'vision'"),
    ('clip_lora', learner(first_block=2), "position .*'all'.*'top' or"),
    ('clip_lora', option(position='bottom'), "position .*'bottom'.*'all'"),
    ('clip_lora', add('layer_6.q_proj.w_lora_A', torch.ones(1)),
     '7 blocks.*config 6'),
    ('clip_lora', add('layer_0.q_proj.bias', torch.ones(1)),
     'not explained.*resblocks.0.attn.q_proj.bias'),
    ('clip_lora', add('layer_0.q_proj.w_lora_A', 'x'), 'tensors'),
    ('clip_lora', lambda case: setattr(case, 'prompt', dict(
        type='MultiModalAdapter', first_block=2)), 'file of CLIP-LoRA'),
], indirect=['case'])
def test_refuses_what_it_cannot_explain(case, spoil, culprit):
    # Without large entries of CLIP, which are compared if they are there.
    case.state = {key: value for key, value in case.state.items()
                  if value.numel() < 1e6}
    spoil(case)
    with pytest.raises(DeptError) as caught:
        case.run()
    assert re.search(culprit, str(caught.value))
    assert not case.target.exists()


@pytest.mark.parametrize('case', ['clip_lora'], indirect=True)
def test_the_upper_blocks_of_one_tower(case):
    """Layers of a file are counted from its first changed block."""
    case.prompt.update(first_block=2, towers=['image'])
    case.metadata.update(encoder='vision', position='up')
    images = [f'layer_{i}' for i in (4, 5)]  # behind three of the text tower
    case.state = {f'layer_{images.index(layer)}.{rest}': value
                  for key, value in case.state.items()
                  for layer, _, rest in [key.partition('.')]
                  if layer in images}
    case.run()
    found = load_adapter(case.target, BASE, clip=case.clip)
    for i in (0, 1):
        torch.testing.assert_close(
            found.backbone.prompt.image[i]['key'].up.data,
            case.state[f'layer_{i}.k_proj.w_lora_B'])


@pytest.mark.parametrize('case', ['clip_lora'], indirect=True)
@pytest.mark.parametrize('content', [
    dict(weights=[], metadata={}), dict(weights={}, metadata=None),
    dict(weights=dict.fromkeys([f'layer_{i}' for i in range(6)], 1))])
def test_refuses_a_damaged_file_of_clip_lora(case, content):
    case.write = lambda: torch.save(dict(dict(metadata=case.metadata),
                                         **content), case.source)
    with pytest.raises(DeptError, match='is damaged'):
        case.run()
