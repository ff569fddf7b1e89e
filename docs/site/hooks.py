"""What mkdocs is told beside mkdocs.yml.

The guides are read in the checkout, too, where they link to files beside docs/. Among the built
pages these files are not, and where the checkout lies on the web nobody can know: such a link
becomes the file's path. tests/test_readme.py sees to it that the file is there.
"""

import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)\)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the path of a file outside docs/ where a guide links to it."""

    def spelled(link: re.Match[str]) -> str:
        text, target = link.groups()
        path = posixpath.normpath(
            posixpath.join("docs", posixpath.dirname(page.file.src_uri), target)
        )
        if path.startswith("docs/"):
            return link.group()
        return text if path in text else f"{text} (`{path}`)"

    return _LINK.sub(spelled, markdown)
