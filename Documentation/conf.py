# SPDX-License-Identifier: GPL-2.0-only
#
# What sphinx-build reads. "make htmldocs" runs it, after it has made the pages of the headers in build/docs.

project = "mempool2"
author = "the mempool2 developers"
copyright = author
root_doc = "index"
exclude_patterns = ["ABI", "litmus"]
highlight_language = "none"

html_theme = "alabaster"
html_theme_options = {"description": "memory pools for the Linux kernel", "page_width": "70em", "sidebar_width": "16em"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_show_copyright = False
html_copy_source = False
