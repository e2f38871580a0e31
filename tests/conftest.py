"""Options of the tests, and what is shared between them."""
import pytest

pytest.register_assert_rewrite('shared_fixtures')


def pytest_addoption(parser):
    parser.addoption('--kills', type=int, default=5,
                     help='how often the soak kills a run, e.g. 30')


def pytest_configure(config):
    """Import the libraries, unless other processes run the tests: this one
    would keep them waiting."""
    alone = config.getoption('dist', 'no') == 'no'
    if alone or hasattr(config, 'workerinput'):
        config.pluginmanager.import_plugin('shared_fixtures')


def pytest_collection_modifyitems(items):
    """Files with slow tests first: at the end one core would wait for them."""
    slow = {item.path for item in items if 'slow' in item.keywords}
    items.sort(key=lambda item: item.path not in slow)
