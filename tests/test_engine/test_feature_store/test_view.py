"""What a file of stored features is called."""
from torch.utils.data import DataLoader

from dept_mm.engine.feature_store import View


def test_every_part_names_the_file(tmp_path):
    loader = DataLoader(range(50))
    paths = {View(tmp_path, *rest).path for rest in (
        ('train', dict(images='abc'), loader, 1, 0),
        ('train', dict(images='abc'), loader, 1, 1),
        ('train', dict(images='abc'), loader, 2, 0),
        ('train', dict(images='abd'), loader, 1, 0),
        ('test', dict(images='abc'), loader))}
    assert len(paths) == 5
    assert {path.parent for path in paths} == {tmp_path}
