"""Every data set against what its record, its page and its options promise."""

import re

import numpy as np
import pytest
from dataset_cases import CLASSIFICATIONS, DRAWN, NAMES, NOISY, PAGES

from modnet import datasets
from modnet.datasets import load, load_table


def test_the_names_are_those_promised():
    promised = (
        "moons circles blobs digits iris wine breast_cancer diabetes xor two_gaussians four_gaussians "
        "checkerboard spiral three_categories marks marks_more different"
    )
    assert promised.split() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_what_its_record_says(name):
    record = datasets.info(name)
    X, y = load(name)
    assert record.name == name
    assert X.shape == (record.n, record.features)
    assert y.shape == (record.n,)
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    assert X.flags.writeable
    assert np.isfinite(X).all()
    if record.task == "classification":
        assert y.dtype == np.int64
        assert np.unique(y).tolist() == list(range(record.classes))
    else:
        assert record.classes is None
        assert y.dtype == np.float64
        assert np.isfinite(y).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_table_names_each_feature_and_each_class(name):
    table = load_table(name)
    X, y, feature_names, class_names = table
    assert table.task == datasets.info(name).task
    assert len(set(feature_names)) == X.shape[1]
    assert all(type(word) is str for word in feature_names)
    if table.task == "classification":
        assert len(set(class_names)) == y.max() + 1
        assert all(type(word) is str for word in class_names)
    else:
        assert class_names is None


@pytest.mark.parametrize("name", NAMES)
def test_changing_what_was_loaded_does_not_change_the_next_load(name):
    X, y = load(name)
    before = X.copy(), y.copy()
    X += 1.0
    y[:] = 0
    again = load(name)
    assert np.array_equal(again[0], before[0])
    assert np.array_equal(again[1], before[1])


@pytest.mark.parametrize("name", DRAWN)
def test_equal_rng_gives_equal_data_and_another_gives_other_data(name):
    def drawn(rng):
        return load(name, rng=rng, **NOISY.get(name, {}))[0]

    assert np.array_equal(load(name, **NOISY.get(name, {}))[0], drawn(0))
    assert np.array_equal(drawn(7), drawn(7))
    assert np.array_equal(drawn(7), drawn(np.int32(7)))
    assert not np.array_equal(drawn(7), drawn(8))
    assert np.array_equal(drawn(2**40), drawn(2**40))
    assert np.array_equal(drawn(np.random.default_rng(7)), drawn(np.random.default_rng(7)))
    generator = np.random.default_rng(7)
    assert not np.array_equal(drawn(generator), drawn(generator))
    assert not np.array_equal(drawn(None), drawn(None))


@pytest.mark.parametrize("name", NAMES)
def test_numpys_global_generator_is_not_touched(name):
    before = np.random.get_state()
    load(name)
    for rng in (5, None, np.random.default_rng(5)) if name in DRAWN else ():
        load(name, rng=rng)
    after = np.random.get_state()
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_labels_rename_the_classes_and_change_nothing_else(name):
    plain = load_table(name)
    count = len(plain.class_names)
    labels = list(range(10, 10 + 3 * count, 3))
    renamed = load_table(name, labels=labels)
    assert np.array_equal(renamed.X, plain.X)
    assert np.array_equal(renamed.y, 10 + 3 * plain.y)
    assert renamed.class_names == tuple(map(str, labels))


def test_labels_may_be_signs_or_words():
    assert load("xor", labels=(-1, 1))[1].tolist() == [-1, 1, 1, -1]
    assert load("xor", labels=("no", "yes"))[1].tolist() == ["no", "yes", "yes", "no"]
    assert load("checkerboard", n=1, labels=(-1, 1))[1][0] in (-1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_description_says_sizes_text_and_options(name):
    record = datasets.info(name)
    text = datasets.describe(name)
    assert "\n" not in text
    assert text.startswith(f"{name} ({record.task}: {record.n} examples, {record.features} features")
    assert record.text in text
    for option, default in record.options.items():
        assert f"{option}={default!r}" in text


@pytest.mark.parametrize("name", NAMES)
def test_each_set_has_a_page_with_its_options_and_a_line_in_the_index(name):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    sections = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert sections == ["Columns", "Origin", "Options", "Licence"]
    options = page.split("## Options")[1].split("## Licence")[0]
    for option, default in datasets.info(name).options.items():
        assert re.search(rf"`{option}`\s+\({re.escape(str(default))}", options), option
    record = datasets.info(name)
    row = f"| [{name}]({name}.md) | {record.task} | {record.n} | {record.features} | {record.classes or ''} |"
    assert row in (PAGES / "README.md").read_text(encoding="utf-8")
