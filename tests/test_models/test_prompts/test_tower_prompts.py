"""Prompt modules on CLIP: what they start from, keep and refuse.

Their numbers are in test_tower_prompts_parity.py.
"""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from plain_clip import build

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.structures import Prompts, Vocabulary

DECOMPOSED = dict(type='DecomposedPrompt', rank=3)
ADEPT = dict(type='ADePTPrompt', rank=3)
LATE = dict(type='LatePrompt', num_tokens=3)
LONG = ' '.join(['photo'] * 68)


@pytest.mark.parametrize('module', [DECOMPOSED, ADEPT])
def test_at_the_start_it_is_a_soft_prompt(clip, vocabulary, images, module):
    backbones = [PromptedCLIP(clip, vocabulary, dict(
        type='TowerPrompts', text=[m], image=[m])).train() for m in (
            module, dict(type='SoftPrompt'))]
    coop = PromptedCLIP(clip, vocabulary, dict(
        type='CoOpPrompt', words='a photo of a'))
    tokens = [b.prompt.image.input.tokens().data for b in backbones]
    tokens[0].copy_(tokens[1])
    first, soft, words = (b.train()(images) for b in (*backbones, coop))
    assert torch.equal(first.text, soft.text)
    assert torch.equal(soft.text, words.text)
    assert torch.equal(first.image, soft.image)
    assert not torch.allclose(soft.image, words.image)


def test_names_longer_than_any_trained_on(clip, images):
    """Their further tokens get no random offset, unless asked for."""
    names = Vocabulary(('cat', 'red fox', LONG[:29]), ('cat', 'red fox'))
    found = []
    for rows in ('mask', 'keep'):
        for seed in (0, 1):
            backbone = build(clip, names, text=[
                dict(DECOMPOSED, untrained_rows=rows)]).eval()
            state = backbone.state_dict()
            torch.manual_seed(7)
            for key in sorted(state):
                if 'prompt_tokens' in key or 'offset_' in key:
                    state[key].normal_()
            # start, two words, the dot and the end are of base classes
            a = backbone.prompt.text.input.offset_a
            a.data[5:] = torch.randn(a[5:].shape,
                                     generator=torch.manual_seed(seed))
            found.append(backbone(images).text.detach())
    masked, masked2, kept, kept2 = found
    assert torch.equal(masked, masked2)
    assert torch.equal(kept[:2], masked[:2]) and torch.equal(
        kept[:2], kept2[:2])
    assert not torch.allclose(kept[2], kept2[2], atol=1e-4)


def test_scope(clip, vocabulary, images):
    """Special tokens stay as they are."""
    own, all_ = (dict(ADEPT, num_tokens=0, scope=scope)
                 for scope in ('no_special', 'all'))
    backbone = build(clip, ('', 'cat'), text=[own], image=[own]).eval()
    prompts = backbone.texts.prompts((0, 1), None)[1]
    x = torch.randn(2, 8, 32)
    moves = (prompts.move(x) != x).any(-1).tolist()
    # start, 'a photo of a', the name, '.', end
    assert moves == [[False] + [True] * 5 + [False] * 2,
                     [False] + [True] * 6 + [False]]
    named = build(clip, ('', 'cat'), text=[dict(own, scope='name')]).eval()
    prompts = named.texts.prompts((0, 1), None)[1]
    assert (prompts.move(x) != x).any(-1).tolist() == [
        [False] * 8, [False] * 5 + [True] + [False] * 2]
    x = torch.randn(2, 5, 32)
    moves = (backbone.prompt.for_image().move(x) != x).any(-1)
    assert moves.tolist() == [[False] + [True] * 4] * 2
    backbone = build(clip, vocabulary, image=[all_])
    assert (backbone.prompt.for_image().move(x) != x).any(-1).all()


@pytest.mark.parametrize('scope, seen', [
    ('all', 5), ('no_special', 4), ('name', 3)])
def test_rows_that_training_moves(clip, vocabulary, images, scope, seen):
    """Start, two words, the dot and the end count; others stay out."""
    names = Vocabulary(('cat', 'red fox', LONG), ('cat', 'red fox'))
    backbone = build(clip, names, text=[dict(DECOMPOSED, scope=scope)])
    module = backbone.prompt.text.input
    assert module.rows_seen == seen
    backbone(images).text.sum().backward()
    moved = module.offset_a.grad.any(1)
    first = 0 if scope == 'all' else 1
    assert moved.nonzero()[:, 0].tolist() == list(range(first, seen))


def test_dropout_differs_between_classes(clip, images):
    """Though their sentences begin alike."""
    backbone = build(clip, ('cat', 'cat cat'), text=[
        dict(ADEPT, num_tokens=0, rank=32, dropout=.5)])
    prompts = backbone.texts.prompts((0, 1), None)[1]
    assert not prompts.prefix_shared
    first, second = prompts.offset(torch.ones(2, 3, 32))
    assert not torch.equal(first, second)
    assert backbone(images).text.isfinite().all()
    assert backbone.eval().texts.prompts((0, 1), None)[1].prefix_shared


def test_starts(clip, vocabulary):
    def start(tower, **options):
        prompt = PromptedCLIP(clip, vocabulary, dict(
            type='TowerPrompts', **{tower: [options]})).prompt
        modules = getattr(prompt, tower)
        return (modules.input or modules.late[0]).tokens().data

    soft, free = (dict(type='SoftPrompt'), dict(LATE, generator='none'))
    own = PromptedCLIP(clip).clip  # shared while it is held
    table = own.model.text.token_embedding.weight
    assert torch.equal(start('text', **soft), table[[320, 1125, 539, 320]])
    drawn = [start('text', init=dict(seed=s), **soft) for s in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    noise = start('image', num_tokens=300, init=.5, **soft)
    assert noise.std().item() == pytest.approx(.5, rel=.05)
    ones = start('text', init=None, **dict(free, num_tokens=300))
    assert ones.std().item() == pytest.approx(1, rel=.05)
    # Rows of the frozen hidden states, not of noise.
    block = own.model.visual.transformer.resblocks[0]
    seen = []
    hook = block.register_forward_hook(lambda *args: seen.append(args[2]))
    own.image_tower.plain(torch.zeros(1, 3, 32, 32), Prompts())
    hook.remove()
    rows = start('image', **free)
    close = torch.cdist(rows, seen[0][0, 1:]).argmin(1)
    assert len(set(close.tolist())) == 3
    torch.testing.assert_close(rows, seen[0][0, 1:][close])


@pytest.mark.parametrize('tower', ['text', 'image'])
@pytest.mark.parametrize('modules, culprit', [
    ([dict(LATE, layer=2)], 'LatePrompt in the .* tower: layer is 2'),
    ([dict(LATE, layer=0)], 'LatePrompt: layer is 0'),
    ([LATE, LATE], 'another module at layer 1'),
    ([DECOMPOSED, ADEPT], 'there is a DecomposedPrompt at the input'),
    ([dict(DECOMPOSED, rank='match:4')], 'no room for rank 1'),
    ([dict(ADEPT, scope='names')], "scope 'names'"),
    ([dict(type='CLIPHead')], "'CLIPHead' is none of .* ADePTPrompt, Dec"),
    ([dict(LATE, init='words')], "init 'words' is not for"),
    ([dict(ADEPT, num_tokens=0, rank=0)], 'nothing to learn'),
    ([], 'nothing to learn')])
def test_bad_options(clip, vocabulary, tower, modules, culprit):
    with pytest.raises(DeptError, match=culprit):
        build(clip, vocabulary, **{tower: modules})


@pytest.mark.parametrize('towers, culprit', [
    (dict(text=[dict(LATE, anchor='first')]), 'sees no word'),
    (dict(image=[dict(LATE, anchor='last')]), 'only the class token'),
    (dict(image=[dict(LATE, placement='before_sos')]),
     "image tower: placement 'before_sos' is not one of"),
    (dict(text=[dict(LATE, placement='end')]), "placement 'end'"),
    (dict(image=[dict(ADEPT, scope='name')]), "image tower: scope 'name'"),
    (dict(image=[dict(ADEPT, init='a cat')]), "init 'a cat' is not for"),
    (dict(text=[dict(DECOMPOSED, num_tokens=80)]), 'num_tokens is 80'),
    (dict(text=[dict(ADEPT, num_tokens=75)]), 'num_tokens is 75')])
def test_options_of_one_tower(clip, vocabulary, towers, culprit):
    with pytest.raises(DeptError, match=culprit):
        build(clip, vocabulary, **towers)


def test_a_start_token_that_sees_words_may_be_the_anchor(clip_configs):
    backbone = build(clip_configs['not_causal'], ('cat', 'owl'), text=[
        DECOMPOSED, dict(LATE, anchor='first')])
    text = backbone(torch.zeros(1, 3, 32, 32)).text
    text.sum().backward()
    assert not torch.allclose(text[0], text[1])
    assert all(p.grad.any() for p in backbone.parameters())


def test_learning_rates_of_their_own(clip, vocabulary):
    """By what the names of parameters begin with."""
    backbone = build(clip, vocabulary, text=[ADEPT, LATE], image=[DECOMPOSED])
    rates = dict(prompt_tokens=1., offset_=.1, late_=10.)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        optim = build_optim_wrapper(backbone, dict(
            optimizer=dict(type='SGD', lr=.2), paramwise_cfg=dict(
                custom_keys={k: dict(lr_mult=v) for k, v in rates.items()})))
    names = {id(p): n for n, p in backbone.named_parameters()}
    found = {names[id(p)]: group['lr']
             for group in optim.optimizer.param_groups
             for p in group['params']}
    assert len(found) == len(names) == 12
    for name, rate in found.items():
        key, = (key for key in rates if key in name)
        assert rate == pytest.approx(.2 * rates[key])


def test_modules_need_tokens(clip_configs, vocabulary):
    with pytest.raises(DeptError, match='no tokens'):
        build(clip_configs['resnet'], vocabulary, image=[LATE])
