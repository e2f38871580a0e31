"""A trained checkpoint answers through MMPretrain's own interfaces."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmpretrain import ImageClassificationInferencer, get_model
from torch.nn import functional as F

from dept_mm.datasets import DrawnShapes
from dept_mm.errors import DeptError


@pytest.fixture
def trained(small_run, tmp_path):
    """Config file, checkpoint and model of a run."""
    cfg = small_run(**{'train_dataloader.dataset.num_shots': 2})
    path = tmp_path / 'config.py'
    cfg.dump(path)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return str(path), str(tmp_path / 'epoch_1.pth'), runner.model.eval()


def test_get_model_restores_names_and_predictions(trained):
    config, checkpoint, model = trained
    loaded = get_model(config, pretrained=checkpoint)
    data = DrawnShapes(split='test')
    # Where MMPretrain's inferencer takes the names from.
    assert loaded._dataset_meta['classes'] == data.metainfo['classes']
    images = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(images), model(images))


def test_the_inferencer_gives_what_the_model_gives(trained):
    config, checkpoint, model = trained
    data = DrawnShapes(split='test')
    names = data.metainfo['classes']
    images = [data.get_data_info(i)['img'] for i in (0, 800, 1599)]
    inferencer = ImageClassificationInferencer(config, pretrained=checkpoint)
    for image, result in zip(images, inferencer(images), strict=True):
        tensor = torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        tensor = F.interpolate(tensor.permute(2, 0, 1)[None].float(), 32,
                               mode='bicubic', antialias=True).clamp(0, 255)
        normal = (tensor.round() / 255 - 0.5) / 0.25  # as the CLIP says
        with torch.no_grad():
            score = model(normal)[0].softmax(0)
        assert np.allclose(result['pred_scores'], score, atol=1e-3)
        assert result['pred_class'] == names[int(score.argmax())]


def test_a_checkpoint_for_other_classes_is_refused(trained, small_run):
    _, checkpoint, _ = trained
    cfg = small_run(**{'dataset.base_classes': 'all'})
    with pytest.raises(DeptError, match='trained on other classes'):
        get_model(cfg, pretrained=checkpoint)
