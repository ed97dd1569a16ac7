"""The documentation as a site: what tools/site is made of.

    documents   the Markdown files of the checkout, their links led to pages
    manual      the manual pages, as mandoc shows them
    python      the Python package, from its docstrings
    figures     measured figures, drawn
    drawings    drawings made of characters, as SVG

Each writes sources for Sphinx into a folder; docs/site/conf.py is its configuration.
"""
