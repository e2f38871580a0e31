"""Fit probes with their public code, and write the logits that they give.

    python tests/parity/make_probes.py PUBLIC

PUBLIC is a folder of checkouts of github.com: mrflogs/ICLR24 (560fe21),
FereshteShakeri/FewShot-CLIP-Strong-Baseline (f81054f), geekyutao/TaskRes
(5195359), jusiro/CLAP (dbdf409), linzhiqiu/cross_modal_adaptation (ac9077e),
yangyangyang127/APE (70460de) and KaiyangZhou/Dassl.pytorch (c61a1b5).
scikit-learn and yacs have to be installed. Public functions run as they are,
on features in place of images, without a GPU and in fp32.
"""
import argparse
import contextlib
import copy
import io
import sys

import numpy as np
import torch
from make_trajectories import prepare
from probe_data import BASE, REFERENCE, make_data
from probe_public import Spy, Texts, dassl_config, encoder, public
from torch.nn import functional as F

DATA = make_data()
TEXTS = F.normalize(DATA.texts, dim=1)

def run_gda(root: str) -> dict[str, np.ndarray]:
    """Gaussian discriminant analysis, of all classes and base-to-new."""
    found, cfg = {}, dict(augment_epoch=1, seed=1)
    loader = [(DATA.images, DATA.labels)]
    shared = dict(
        val_features=DATA.val_images, val_labels=DATA.val_labels,
        test_features=DATA.test_images, test_features_new=DATA.test_images,
        test_labels=torch.zeros(len(DATA.test_images)).long(),
        test_labels_new=torch.zeros(len(DATA.test_images)).long())
    with public(root, 'main_few_shots') as code:
        vars(code).update(shared)
        code.cls_acc = Spy()
        code.run(cfg, loader, TEXTS.T, encoder())
        found['gda'] = code.cls_acc.seen[-1]
    with public(root, 'main_base2new') as code:
        vars(code).update(shared)
        code.cls_acc = Spy()
        code.run(cfg, loader, TEXTS.T, F.normalize(DATA.new_texts, dim=1).T,
                 encoder())
        found['gda_plain'], found['gda_new'] = code.cls_acc.seen[-2:]
    return found


def run_linear_probe() -> dict[str, np.ndarray]:
    """Logistic regression, and the search of C as CLIP's paper describes."""
    from sklearn.linear_model import LogisticRegression
    x, y = DATA.images.double().numpy(), DATA.labels.numpy()

    def fit(strength):
        return LogisticRegression(C=strength, tol=1e-9, max_iter=100_000
                                  ).fit(x, y)

    def accuracy(power):
        return fit(10.**power).score(DATA.val_images.double().numpy(),
                                     DATA.val_labels.numpy())

    powers = [6, 4, 2, 0, -2, -4, -6]
    known = {power: accuracy(power) for power in powers}
    for step in (1, 1 / 2, 1 / 4, 1 / 8):
        peak = max(known, key=lambda power: (known[power], power))
        for power in (peak - step, peak + step):
            if -6 <= power <= 6 and power not in known:
                known[power] = accuracy(power)
    peak = max(known, key=lambda power: (known[power], power))
    test = DATA.test_images.double().numpy()
    return dict(linear=fit(31.6).decision_function(test),
                linear_power=np.array(peak))


def run_lp_plus_plus(root: str) -> dict[str, np.ndarray]:
    """LP++, whose bias starts from zero here; it is measured on the training
    images, so that the last step is kept."""
    with public(root, 'methods.linear_probe_p2') as code:
        one_hot = sys.modules['methods.utils'].get_one_hot
        sys.modules['methods.utils'].get_one_hot = lambda *args, **kwargs: (
            one_hot(*args, **kwargs).float())
        kept, mean = [], np.mean

        class ZeroBias(torch.nn.Linear):
            def reset_parameters(self):
                torch.nn.init.zeros_(self.weight)
                torch.nn.init.zeros_(self.bias)

            def forward(self, x):
                kept.append((self, x))
                return super().forward(x)

        clip = encoder()
        clip.dtype = torch.float32
        method = code.LinearProbe_P2(dict(
            train_epoch=300, shots=len(DATA.labels) // BASE, dataset='',
            output_dir=''))
        logits = []

        def measure(right, *args):
            logits.append(sys._getframe(1).f_locals.get('logits_test'))
            return mean(right, *args)

        linear, torch.nn.Linear = torch.nn.Linear, ZeroBias
        np.mean = measure
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                method.forward(
                    [(DATA.images, DATA.labels)],
                    [(DATA.images, DATA.labels)], DATA.test_images,
                    torch.zeros(len(DATA.test_images)).long(), TEXTS.T,
                    clip, None)
        finally:
            torch.nn.Linear, np.mean = linear, mean
    return dict(lp_plus_plus=logits[-1].detach().numpy())


def run_task_res(root: str) -> dict[str, np.ndarray]:
    """TaskRes, all images in one batch."""
    cfg = dassl_config(2e-3, 200, 'adam', 5e-4)
    cfg.TRAINER.TaskRes = type(cfg)(dict(RESIDUAL_SCALE=.5, PREC='fp32'))
    with public(root, 'trainers.taskres') as code:
        model = code.CustomCLIP.__new__(code.CustomCLIP)
        torch.nn.Module.__init__(model)
        model.image_encoder = torch.nn.Identity()
        model.logit_scale = torch.tensor(100.).log()
        model.dtype = torch.float32
        model.prompt_learner = code.TaskResLearner(
            cfg, None, encoder(), DATA.texts.clone())
        trainer = code.TaskRes.__new__(code.TaskRes)
        code.TrainerX.__bases__[0].__bases__[0].__init__(trainer)
        trainer.cfg, trainer.device = cfg, torch.device('cpu')
        trainer.model = model
        trainer.optim = code.build_optimizer(model.prompt_learner, cfg.OPTIM)
        trainer.sched = code.build_lr_scheduler(trainer.optim, cfg.OPTIM)
        trainer.register_model('prompt_learner', model.prompt_learner,
                               trainer.optim, trainer.sched)
        trainer.batch_idx, trainer.num_batches = 0, 1
        for _ in range(200):
            trainer.forward_backward(dict(img=DATA.images, label=DATA.labels))
        return dict(task_res=model(DATA.test_images).detach().numpy())


def run_clap(root: str) -> dict[str, np.ndarray]:
    """CLAP, all images in one batch."""
    cfg = dassl_config(.1, 300, 'sgd', 0.)
    cfg.TRAINER.ADAPTER = type(cfg)(dict(INIT='ZS', CONSTRAINT='l2',
                                         PREC='fp32'))
    with public(root, 'trainers.adapters') as code:
        clip = encoder()
        clip.dtype = torch.float32
        clip.logit_scale = torch.tensor(100.).log()
        model = code.CustomCLIP.__new__(code.CustomCLIP)
        torch.nn.Module.__init__(model)
        model.logit_scale = clip.logit_scale
        with contextlib.redirect_stdout(io.StringIO()):
            model.adapter = code.AdapterMethod(cfg, clip, DATA.texts.clone())
        trainer = code.ADAPTER.__new__(code.ADAPTER)
        code.SimpleTrainer.__bases__[0].__init__(trainer)
        trainer.cfg, trainer.device = cfg, torch.device('cpu')
        trainer.model = model
        trainer.optim = code.build_optimizer(model.adapter, cfg.OPTIM)
        trainer.sched = code.build_lr_scheduler(trainer.optim, cfg.OPTIM)
        trainer.register_model('adapter', model.adapter, trainer.optim,
                               trainer.sched)
        trainer.start_epoch, trainer.max_epoch = 0, 300
        trainer.train_loader_x = type('Loader', (), dict(
            batch_size=256, __len__=lambda self: 1))()
        with torch.no_grad():
            seen = {part: (labels, model.forward_features(images), images)
                    for part, images, labels in (
                        ('train', DATA.images, DATA.labels),
                        ('test', DATA.test_images, torch.zeros(
                            len(DATA.test_images)).long()))}
        trainer.extract_features = lambda partition, **options: (
            seen[partition])
        for unused in ('before_train', 'after_epoch', 'after_train'):
            setattr(trainer, unused, lambda: None)
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train()
        return dict(clap=model.forward_features(
            DATA.test_images).detach().numpy())


def run_cross_modal(root: str) -> dict[str, np.ndarray]:
    """One setting of the cross-modal probe, batches in a fixed order."""
    with public(root, 'train') as code:
        linear = torch.nn.Linear(DATA.images.shape[1], BASE, bias=False)
        linear.weight.data = TEXTS.clone()
        head = code.LogitHead(linear, logit_scale=4.60517)
        optimizer = code.build_optimizer(
            [dict(params=head.parameters())], 'adamw', 1e-3, .01)
        scheduler = code.build_lr_scheduler(
            optimizer, 'cosine', 50, 300, warmup_type='linear',
            warmup_lr=1e-5)

        images = list(zip(DATA.images.split(4), DATA.labels.split(4),
                          strict=True))
        none = torch.zeros(4)
        texts = [(DATA.texts[:4], torch.arange(4), none)]
        with contextlib.redirect_stdout(io.StringIO()):
            found = code.train(
                head, torch.nn.Identity(), Texts(), images,
                [(DATA.val_images, DATA.val_labels)], texts, optimizer,
                scheduler, torch.nn.CrossEntropyLoss(), 300, device='cpu')
        head.load_state_dict(found['logit_head'])
        return dict(cross_modal=head(DATA.test_images).detach().numpy())


def run_ape(root: str) -> dict[str, np.ndarray]:
    """APE with the numbers for ImageNet, and half of the channels."""
    cfg = dict(
        search_scale=[7, 7, .5], search_step=[200, 20, 5], init_beta=1,
        init_alpha=2, init_gamma=.1, w_training_free=[.7, .3],
        training_free_feat_num=DATA.images.shape[1] // 2, dataset='',
        backbone='', shots=len(DATA.labels) // BASE)
    with public(root, 'main') as code:
        save, torch.save = torch.save, lambda *args: None
        code.cls_acc = Spy()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                code.APE(
                    cfg, DATA.images.T, F.one_hot(DATA.labels).float(),
                    DATA.val_images, DATA.val_labels, DATA.test_images,
                    torch.zeros(len(DATA.test_images)).long(), TEXTS.T)
        finally:
            torch.save = save
    return dict(ape=code.cls_acc.seen[-1])


def run_ape_t(root: str) -> dict[str, np.ndarray]:
    """APE-T with the numbers for ImageNet, half of the channels and a higher
    learning rate, all images in one batch."""
    half = DATA.images.shape[1] // 2
    cfg = dict(
        search_scale=[7, 7], search_step=[200, 20], init_beta=1, init_alpha=2,
        w_training=[.2, .8], training_feat_num=half, feat_num=half,
        training_free_feat_num=half, lr=.01, eps=1e-3, train_epoch=20,
        dataset='', backbone='', cache_dir='',
        shots=len(DATA.labels) // BASE)
    saved = []
    with public(root, 'main') as code:
        save, load, to_half = torch.save, torch.load, torch.Tensor.half
        torch.save = lambda value, path: saved.append(copy.deepcopy(value))
        torch.load = lambda path: saved[-1]
        torch.Tensor.half = lambda self: self
        code.cls_acc = Spy()
        try:
            with (contextlib.redirect_stdout(io.StringIO()),
                  contextlib.redirect_stderr(io.StringIO())):
                code.APE_T(
                    cfg, DATA.images.T, F.one_hot(DATA.labels).float(),
                    DATA.val_images, DATA.val_labels, DATA.test_images,
                    torch.zeros(len(DATA.test_images)).long(), TEXTS.T,
                    encoder(), [(DATA.images.clone(), DATA.labels)])
        finally:
            torch.save, torch.load, torch.Tensor.half = save, load, to_half
    return dict(ape_t=code.cls_acc.seen[-1])


def run_both_apes(root: str) -> dict[str, np.ndarray]:
    return run_ape(root) | run_ape_t(root)


RUNS = {'ICLR24': run_gda, 'FewShot-CLIP-Strong-Baseline': run_lp_plus_plus,
        'TaskRes': run_task_res, 'CLAP': run_clap,
        'cross_modal_adaptation': run_cross_modal, 'APE': run_both_apes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('public')
    args = parser.parse_args()
    found = run_linear_probe()
    real = {name: module for name, module in sys.modules.items()
            if name.startswith(('scipy', 'sklearn'))}
    prepare(f'{args.public}/Dassl.pytorch')
    sys.modules.update(real)
    torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *args: self
    for folder, run in RUNS.items():
        found |= run(f'{args.public}/{folder}')
    for key, value in found.items():
        print(key, value.shape, value.ravel()[:BASE])
    np.savez_compressed(REFERENCE, **found)


if __name__ == '__main__':
    main()
