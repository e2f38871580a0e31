"""Write ``report.html``: ``python tools/report.py FOLDER ...``.

A folder is the work dir of a run, the folder of a test, or that of a sweep.
"""
import argparse

from dept_mm.cli.arguments import user_errors
from dept_mm.reports.html import write_report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folders', nargs='+', metavar='FOLDER')
    for folder in parser.parse_args().folders:
        print(write_report(folder))


if __name__ == '__main__':
    with user_errors():
        main()
