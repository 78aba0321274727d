"""How Sphinx builds the documentation: `make docs`."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault("MPLBACKEND", "agg")

from _tools import docstrings, figures, pages  # noqa: E402

import modnet  # noqa: E402

project = "modnet"
author = "the modnet authors"
release = version = modnet.__version__
copyright = "the modnet authors, MIT licence"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_tools", "_templates", "gallery/*.md"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
default_role = "autolink"
add_module_names = False
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say what is expected, with shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_validation_checks = set()

# What MyST cannot follow: links into the repository from pages that are also read there, outside the documentation.
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = "modnet"
html_static_path = ["_static"]
html_css_files = ["modnet.css"]
html_show_sourcelink = False
html_sidebars = {"*": []}  # a page without neighbours has the whole width
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

sphinx_gallery_conf = {
    "examples_dirs": [str(HERE.parent / "examples")],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"/\d\d_",
    "ignore_pattern": r"(?:^|[/\\])(?!\d\d_)[^/\\]+\.py$",  # the course's are numbered
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": (figures.Scraper(HERE.parent / "examples" / "out"),),
    "reset_modules": (figures.into_examples,),
    "capture_repr": (),
    "show_memory": False,
    "download_all_examples": False,
    "plot_gallery": os.environ.get("MODNET_DOCS_RUN", "1") == "1",
    "abort_on_example_error": True,
    "min_reported_time": 1e9,
    "show_signature": False,
}


_in_words = modnet.__getattr__


def _plainly(name):
    """sphinx-gallery looks for names with getattr, which must end in AttributeError; `modnet` answers imports in words."""
    try:
        return _in_words(name)
    except ImportError as error:
        raise AttributeError(str(error)) from None


modnet.__getattr__ = _plainly


def _skip(app, what, name, obj, skip, options):
    """Leave out what scikit-learn writes into classes: its text refers to its own documentation."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app):
    """Pages that are made from the library, before Sphinx looks for pages."""
    app.connect("autodoc-skip-member", _skip)
    pages.write_modules(HERE / "modules")
    pages.write_api(HERE / "api")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", modnet.TrainingWarning)  # one picture is of a training that does not learn
        figures.draw(HERE / "pictures")
    app.connect("autodoc-process-docstring", docstrings.process, priority=100)  # before numpydoc's
