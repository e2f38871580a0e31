"""What is kept between batches: every user of the rule, and every way in
which a value can change."""
import copy
import gc
import pickle
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from torch import nn

from dept_mm.models import PromptedCLIP
from dept_mm.models.class_texts import FrozenText
from dept_mm.models.clip import FrozenCLIP, build_clip
from dept_mm.models.clip.text_engine import TextEngine
from dept_mm.models.prompts import ADePTPrompt, DecomposedPrompt
from dept_mm.models.utils.kept import Kept, tensors_of
from dept_mm.structures import Vocabulary

LATE = dict(type='TowerPrompts', text=[dict(type='LatePrompt')])
LEARNERS = dict(
    {name: dict(type=name, **options) for name, options in dict(
        CoOpPrompt={}, MaPLePrompt=dict(depth=2),
        IVLPPrompt=dict(text_depth=2, image_depth=2),
        TCPPrompt=dict(layer=1, reduction=2)).items()},
    late=LATE, **{name: dict(type='TowerPrompts', text=[
        dict(type=kind) for kind in kinds]) for name, kinds in {
            'decomposed': ['DecomposedPrompt'], 'adept': ['ADePTPrompt'],
            'adept-late': ['ADePTPrompt', 'LatePrompt']}.items()})
OTHER = Vocabulary(('cow', 'bee', 'big ox', 'hen'), templates=('a {} here.', ))
# What each user computes, once if nothing changes.
WORK = ((TextEngine, 'assemble'), (DecomposedPrompt, '_table'),
        (ADePTPrompt, '_network'))


@torch.no_grad()
def shake(tensors):
    for t in tensors:
        t.add_(torch.randn_like(t), alpha=.3)


class Texts:
    """The text classifier of a backbone.

    Args:
        prompt (dict, optional): Its learner.
        training (bool): In training, with gradients enabled, else in
            evaluation.
        learns (bool): Whether what the learner holds is trained.
    """
    per_vocabulary = True

    def __init__(self, prompt=None, training=False, learns=True):
        self.options = prompt, training, learns
        # Others share the CLIP, and it is changed here.
        shared = build_clip(self.config)
        self.clip = FrozenCLIP(copy.deepcopy(shared.model), shared.tokenizer,
                               shared.spec, shared.name)
        self.start(Vocabulary(('red fox', 'cat', 'owl')))

    def start(self, vocabulary):
        prompt, training, learns = self.options
        self.vocabulary, self.frozen = vocabulary, self.clip.model.text
        self.model = PromptedCLIP(self.clip, vocabulary, prompt)
        self.model.train(training).requires_grad_(learns)
        shake(self.model.parameters())

    def value(self):
        with torch.set_grad_enabled(self.options[1]):
            return self.model.text_features(torch.zeros(1, 16)).detach()

    def switch(self, vocabulary):
        self.vocabulary = vocabulary
        self.model.set_vocabulary(vocabulary)

    def convert(self, fn):
        fn(self.model)

    def fresh(self):
        """Another with the same numbers, which has kept nothing."""
        other = copy.copy(self)
        other.start(self.vocabulary)
        for new, old in zip(tensors_of(other.model), tensors_of(self.model),
                            strict=True):
            new.data = old.data.clone()
        return other


class Frozen(Texts):
    """Features of the CLIP without prompts."""

    def start(self, vocabulary):
        super().start(vocabulary)
        self.texts = FrozenText()

    def value(self):
        return self.texts(self.clip, self.vocabulary, (0, 2))

    def switch(self, vocabulary):
        self.vocabulary = vocabulary

    def convert(self, fn):
        fn(self.clip)


class Offsets(Texts):
    """Merged offsets."""
    per_vocabulary = False

    def __init__(self, kind, **options):
        self.kind, self.options, self.vocabulary = kind, options, None
        self.frozen = nn.Embedding(9, 6).requires_grad_(False)
        self.start(None)

    def start(self, vocabulary):
        self.model = self.kind(6, 2, 3, **self.options).eval()
        shake(self.model.parameters())

    @torch.no_grad()
    def value(self):
        given = [self.frozen.weight] if self.kind is ADePTPrompt else []
        return self.model.merge(*given)


class Language(Offsets):
    """A language model with offsets."""

    def start(self, vocabulary):
        import language_models
        self.tokens = language_models.tokens()
        self.model = language_models.build('roberta', dict(
            type=self.kind.__name__, num_tokens=2, rank=3, **self.options))
        self.lm = self.model.lm = getattr(self, 'lm', self.model.lm)
        self.frozen = self.lm.model
        shake(self.model.parameters())

    @torch.no_grad()
    def value(self):
        return self.model.encode(self.tokens).hidden


USERS = dict(
    {f'texts of {name}': lambda prompt=prompt: Texts(prompt)
     for name, prompt in LEARNERS.items()},
    zero_shot=Texts, zero_shot_in_training=lambda: Texts(training=True),
    learner_that_is_not_trained=lambda: Texts(
        dict(type='CoOpPrompt'), training=True, learns=False),
    hidden_states_below_late_prompts=lambda: Texts(LATE, training=True),
    frozen=Frozen, adept=lambda: Offsets(ADePTPrompt),
    decomposed=lambda: Offsets(DecomposedPrompt, max_length=9),
    adept_in_a_language_model=lambda: Language(ADePTPrompt),
    decomposed_in_a_language_model=lambda: Language(
        DecomposedPrompt, max_length=16))


def set_data(tensors, new):
    for t in tensors:
        t.data = new(t.data)


def swap(user):
    hook = EMAHook()
    hook.src_model = user.model
    hook.ema_model = ExponentialMovingAverage(user.model)
    shake(hook.ema_model.module.parameters())
    hook._swap_ema_parameters()


def load(module):
    module.load_state_dict({
        k: v * 1.5 if v.is_floating_point() else v
        for k, v in module.state_dict().items()})


def step(user):
    for p in user.model.parameters():
        p.grad = torch.randn_like(p)
    torch.optim.SGD(user.model.parameters(), .3).step()


def replace(module):
    for inner in module.modules():
        for name, p in inner.named_parameters(recurse=False):
            setattr(inner, name, nn.Parameter(
                p + torch.randn_like(p), requires_grad=p.requires_grad))


def drift(t):
    return t + .3 * torch.randn_like(t)


LEARNED = dict(
    add=lambda user: shake(user.model.parameters()),
    write_data=lambda user: shake(p.data for p in user.model.parameters()),
    set_data=lambda user: set_data(user.model.parameters(), drift),
    load=lambda user: load(user.model), swap=swap, step=step,
    replace=lambda user: replace(user.model))
FROZEN = dict(
    add=lambda user: shake(user.frozen.parameters()),
    set_data=lambda user: set_data(user.frozen.parameters(), drift),
    load=lambda user: load(user.frozen),
    replace=lambda user: replace(user.frozen),
    # The former addresses may be used again.
    round=lambda user: user.frozen.half().float())
ANY = dict(
    half=lambda user: user.convert(lambda module: module.half()),
    double=lambda user: user.convert(lambda module: module.double()),
    round=lambda user: user.convert(lambda module: module.half().float()))


def changes():
    """User, and what changes."""
    for name in USERS:
        plain = name.startswith(('zero', 'frozen'))
        decomposed = name.startswith('decomposed')
        for kind, given in (('learned', {} if plain else LEARNED),
                            ('frozen', {} if decomposed else FROZEN),
                            ('any', ANY)):
            for change, fn in given.items():
                yield pytest.param(name, fn, id=f'{name}-{kind}-{change}')


@pytest.fixture
def made(monkeypatch):
    """How often anything was computed."""
    made = []

    def counted(fn):
        return lambda *args: (made.append(1), fn(*args))[1]

    for owner, name in WORK:
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    return made


@pytest.fixture
def user(clip, monkeypatch):
    monkeypatch.setattr(Texts, 'config', clip, raising=False)

    def make(name):
        if 'language' in name:
            pytest.importorskip('transformers')
        return USERS[name]()

    return make


def unlike(a, b):
    return a.dtype != b.dtype or a.shape != b.shape or not torch.equal(a, b)


def check(user, old, made):
    """The value is another one, that of a user who has kept nothing, and is
    then kept."""
    found = user.value()
    assert unlike(found, old)
    count = len(made)
    assert torch.equal(user.value(), found) and len(made) == count
    assert torch.equal(user.fresh().value(), found) and len(made) > count


@pytest.mark.parametrize('name, change', list(changes()))
def test_values_follow_what_they_are_made_of(user, made, name, change):
    user = user(name)
    old = user.value()
    change(user)
    check(user, old, made)


@pytest.mark.parametrize('name', USERS)
def test_autocast(user, made, name):
    user = user(name)
    full = user.value()
    if isinstance(user, Frozen):
        made.clear()
        with torch.autocast('cpu', torch.bfloat16):
            assert torch.equal(user.value(), full) and not made
        return
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast('cpu', dtype):
            check(user, full, made)
            rounded = user.value()
    assert torch.equal(user.value(), full)
    with torch.autocast('cpu', torch.bfloat16):
        check(user, rounded, made)


@pytest.mark.parametrize('name', USERS)
def test_other_classes(user, made, name):
    user = user(name)
    if not user.per_vocabulary:
        pytest.skip('It does not depend on classes.')
    first, old = user.vocabulary, user.value()
    user.switch(OTHER)
    check(user, old, made)
    user.switch(first)
    assert torch.equal(user.value(), old)


@pytest.mark.parametrize('name', USERS)
def test_a_copy_computes_its_own(user, made, name):
    user = user(name)
    old = user.value()
    other = copy.copy(user)
    other.model = copy.deepcopy(user.model)
    if isinstance(user, Frozen):
        other.texts = copy.deepcopy(user.texts)
    made.clear()
    assert torch.equal(other.value(), old) and made


def test_values_with_gradients_are_not_kept(user):
    model = user('texts of CoOpPrompt').model.eval()
    image = torch.zeros(1, 16)
    with torch.no_grad():
        kept = model.text_features(image)
    for _ in range(2):
        text = model.text_features(image)
        text.sum().backward()  # the second would find its graph gone
    with torch.no_grad():
        assert model.text_features(image) is kept
    mixed = user('texts of adept-late')
    mixed.model.train().text_features(image).sum().backward()
    mixed.model.text_features(image).sum().backward()


def test_learned_image_prompts_do_not_matter_to_the_text(user, made):
    """VPT in training: its text is that of zero-shot CLIP."""
    vpt = Texts(dict(type='IVLPPrompt', num_text_tokens=0, image_depth=2),
                training=True)
    old = vpt.value()
    made.clear()
    for change in LEARNED.values():
        change(vpt)
    assert torch.equal(vpt.value(), old) and not made


def test_rows_that_training_saw():
    """A buffer decides, in evaluation alone."""
    module = DecomposedPrompt(6, 2, 3, 9, untrained_rows='mask').eval()
    with torch.no_grad():
        module.offset_b.normal_()
        for seen in (9, 4):
            module.rows_seen.fill_(seen)
            assert module.merge().any(1).sum() == seen
        assert module.train().merge().any(1).all()
        assert module.eval().merge().any(1).sum() == 4


def count_makes(kept, makes, **given):
    value = SimpleNamespace()
    return kept.get(lambda: (makes.append(1), value)[1], **given)


@pytest.mark.parametrize('kind', ['learned', 'frozen'])
def test_device(kind):
    kept, makes, here = Kept(), [], torch.ones(2)
    away = [here.to('meta')]
    if torch.cuda.is_available():
        away.append(here.cuda())
    for tensor in [here, *away, here.clone()]:
        for _ in range(2):
            count_makes(kept, makes, **{kind: [tensor]})
    assert len(makes) == 2 + len(away)


def test_key_and_number_of_tensors():
    kept, makes, x = Kept(), [], torch.ones(2)
    for given in (dict(key=1), dict(key=2), dict(key=2, learned=[x]),
                  dict(key=2, learned=[x, x]), dict(key=2, frozen=[x])):
        for _ in range(2):
            count_makes(kept, makes, **given)
    assert len(makes) == 5


def test_inference_mode():
    """Its tensors are of no use to autograd."""
    kept, x = Kept(), torch.ones(2)
    with torch.inference_mode():
        kept.get(lambda: x * 2, frozen=[x])
        own = torch.ones(2)  # has no version
        assert kept.get(lambda: own * 3, frozen=[own])[0] == 3
    (kept.get(lambda: x * 2, frozen=[x])
     * torch.ones(2, requires_grad=True)).sum().backward()


def test_no_memory_is_held_and_nothing_is_pickled():
    kept, x = Kept(), torch.ones(10)
    kept.get(lambda: 'value', frozen=[x], learned=[x])
    place = kept._state[-1][0][0]
    x.data = torch.ones(10)
    gc.collect()
    assert place.expired()
    assert pickle.loads(pickle.dumps(kept))._value is None
