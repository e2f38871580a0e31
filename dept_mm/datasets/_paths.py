"""Find images where a list says, inside the folders of their data set."""
import os.path as osp

from dept_mm.errors import DeptError


def locate_image(path: str, folder: str, data_root: str, source: str) -> str:
    """Return the path of a listed image.

    A list that comes from somebody else may not have other files read. Links
    inside the folders are the user's own and may lead anywhere.

    Args:
        path (str): The path in the list, relative to ``folder``.
        folder (str): The image folder.
        data_root (str): The folder of all data, or ''.
        source (str): The list, for messages.

    Raises:
        DeptError: If the path leaves both folders.
    """
    found = osp.join(folder, path)
    if not osp.isabs(path) and '..' not in path:  # of millions, nearly all
        return found
    roots = {osp.abspath(root) for root in (data_root, folder) if root}
    roots = roots or {osp.abspath('')}
    if not any(osp.commonpath((root, osp.abspath(found))) == root
               for root in roots):
        raise DeptError(
            f'{source} lists {path!r}, which is outside of '
            f'{" and ".join(sorted(roots))}. Move the image there, or give a '
            'folder above it as data_root.')
    return found
