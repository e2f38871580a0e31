"""Read a page of a report."""
import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of style and script."""

    def __init__(self, folder):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.source = (folder / 'report.html').read_text('utf-8')
        self.feed(self.source)
        self.text = re.sub(r'\s+', ' ', ' '.join(self.texts))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ('meta', 'img'):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        if not {'style', 'script'} & set(self.open):
            self.texts.append(data)
