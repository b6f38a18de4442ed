"""Datasets: from memory, from files, generated; inspected, split, written."""

from __future__ import annotations

import numpy as np
import pytest

import genseg
from genseg import Severity, Split


def two_cases(context):
    data = genseg.Dataset(context)
    rng = np.random.default_rng(5)
    for name, group in (("a_1", "a"), ("b_1", "b")):
        label = np.zeros((8, 9), np.int16)
        label[2:5, 3:6] = 7
        data.add(name, rng.integers(0, 255, (8, 9)).astype(np.uint16), label, group=group, spacing=(2, 0.5))
    return data


def test_from_memory(context):
    data = two_cases(context)
    assert len(data) == 2 and data.ndim == 2 and data.channels == 1 and data.classes == 2
    assert list(data.label_values) == [0, 7] and data.label_names == ("0", "7")
    case = data["b_1"]
    assert (case.name, case.group, case.path, case.split, case.shape) == ("b_1", "b", None, Split.NONE, (8, 9))
    assert case.labelled and case.channels == 1 and case.spacing == (2, 0.5)
    assert case.image.dtype == np.float32 and set(np.unique(case.label)) == {0, 1}
    assert [one.name for one in data] == ["a_1", "b_1"] and data[-1].name == "b_1"
    with pytest.raises(IndexError):
        data[2]
    with pytest.raises(KeyError):
        data["c"]
    assert "2 cases, 2-D" in repr(data) and "8x9" in repr(case)


def test_empty(context):
    data = genseg.Dataset(context)
    assert len(data) == data.ndim == data.channels == 0 and list(data) == [] and "without cases" in repr(data)
    with pytest.raises(genseg.StateError):
        data.save_hdf5("/tmp/never.h5")


def test_bad_cases(context):
    data = two_cases(context)
    good = np.zeros((8, 9))
    for arguments, error in [
        (("a_1", good), genseg.InvalidError),
        (("", good), genseg.InvalidError),
        (("c", np.zeros((2, 8, 9, 1))), ValueError),
        (("c", good, np.zeros((8, 8), int)), genseg.ShapeError),
        (("c", good, np.full((8, 9), 0.5)), genseg.FormatError),
        (("c", np.full((8, 9), np.inf)), genseg.NumericError),
        (("c", good.astype(object)), TypeError),
        ((3, good), TypeError),
        (("c\0", good), genseg.InvalidError),
    ]:
        with pytest.raises(error):
            data.add(*arguments)
        assert len(data) == 2
    with pytest.raises(TypeError, match="exclude each other"):
        data.add("c", good, affine=np.eye(4), spacing=(1, 1))


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, lambda a: a[..., ::-1][..., ::-1]])
def test_channels(context, layout):
    rng = np.random.default_rng(6)
    image = rng.normal(size=(3, 8, 9)).astype(np.float32)
    data = genseg.Dataset(context)
    data.add("a", layout(image), rng.integers(0, 2, (8, 9)))
    data.add("unlabelled", layout(image))
    data.add("told", layout(image), channels=3)
    assert data.ndim == 2 and data.channels == 3 and not data[1].labelled
    assert all((case.image == image).all() for case in data)
    volume = genseg.Dataset(context)
    volume.add("a", image)
    assert volume.ndim == 3 and volume.channels == 1


def test_label_names(context):
    data = genseg.Dataset(context)
    data.set_label_name(1, "liver")
    data.add("a", np.zeros((8, 9)), np.eye(8, 9, dtype=np.uint8))
    data.set_label_name(0, "background")
    assert list(data.label_names) == ["background", "liver"]
    with pytest.raises(genseg.InvalidError, match="name is empty"):
        data.set_label_name(1, "")
    with genseg.Trainer(data.split(train=1) or data, method="plain", width=4, size=(16, 16)):
        with pytest.raises(genseg.StateError, match="a Trainer uses the dataset"):
            data.set_label_name(1, "spleen")


def test_reading_into_buffers(context):
    case = two_cases(context)[0]
    image, label = np.empty((8, 9), np.float32), np.empty((8, 9), np.int32)
    assert case.read_image(image) is image and case.read_label(label) is label
    assert (image == case.image).all() and (label == case.label).all()
    for wrong in (np.empty((8, 9)), np.empty((9, 8), np.float32).T, "text"):
        with pytest.raises(TypeError, match="C-contiguous array of float32"):
            case.read_image(wrong)
    with pytest.raises(genseg.ShapeError):
        case.read_image(np.empty((9, 8), np.float32))
    frozen = image.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        case.read_image(frozen)


def test_split(context):
    data = genseg.Dataset.phantom(count=9, size=(32, 32), context=context)
    data.split(4, 2, seed=3)
    assert [len(data.cases(name)) for name in ("train", "validation", "test")] == [4, 2, 3]
    assert data.cases(Split.NONE) == [] and "4 train, 2 validation, 3 test" in repr(data)
    with pytest.raises(genseg.InvalidError):
        data.split(20)
    with pytest.raises(genseg.InvalidError, match="split is 'training', known are 'none', 'train'"):
        data.cases("training")
    with pytest.raises(genseg.InvalidError, match="argument 4"):
        data.split(4, seed=-1)


def test_phantom(context):
    options = {"ndim": 3, "count": 2, "classes": 3, "channels": 2, "size": (32, 40, 48), "seed": 4}
    data = genseg.Dataset.phantom(context=context, **options)
    assert data[0].shape == (32, 40, 48) and data.channels == 2 and data.classes == 3
    again = genseg.Dataset.phantom(context=context, **options)
    assert (data[1].image == again[1].image).all()
    with pytest.raises(
        TypeError, match="unknown option 'colour', known are channels, classes, count, ndim, seed, size"
    ):
        genseg.Dataset.phantom(colour=3)


def test_files(context, tmp_path):
    data = two_cases(context)
    data.save_hdf5(tmp_path / "data.h5")
    again = genseg.Dataset.open(tmp_path / "data.h5", context=context, group_separators="_")
    assert [case.name for case in again] == ["a_1", "b_1"] and [case.group for case in again] == ["a", "b"]
    assert (again[1].image == data[1].image).all() and list(again.label_values) == [0, 7]
    assert again[0].path.startswith(str(tmp_path / "data.h5")) and again[0].spacing == (2, 0.5)
    with pytest.raises(genseg.StateError):
        again.add("c", np.zeros((8, 9)))

    data[0].save_picture(tmp_path / "picture.png", prediction=7 * data[0].label)
    data[0].save_image(tmp_path / "image.png")
    assert (tmp_path / "picture.png").stat().st_size > 100
    one = genseg.Dataset.open(tmp_path / "image.png", context=context, allow_unlabelled=True)
    assert (one[0].image == data[0].image).all() and not one[0].labelled
    with pytest.raises(genseg.ShapeError, match="prediction"):
        data[0].save_picture(tmp_path / "picture.png", prediction=np.zeros((2, 2), int))
    with pytest.raises(genseg.ShapeError):
        data[0].save_label(tmp_path / "label.png", np.zeros((2, 2), int))


def test_folder_with_a_name_beyond_ascii(context, tmp_path):
    folder = tmp_path / "données ü"
    data = two_cases(context)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for case in data:
        case.save_image(folder / "images" / f"{case.name}.png")
        case.save_label(folder / "masks" / f"{case.name}.png", 7 * case.label)
    again = genseg.Dataset.open(folder, context=context)
    assert len(again) == 2 and again[0].path == str(folder / "images" / "a_1.png")
    assert (again[0].image == data[0].image).all() and (again[0].label == data[0].label).all()


def test_inspection(context, tmp_path):
    data = two_cases(context)
    data.add("flat", np.zeros((8, 9)), np.zeros((8, 9), int), spacing=(2, 0.5))
    seen = []
    found = data.inspect(seen.append)
    assert found == seen
    assert any(one.severity >= Severity.NOTE for one in found) and all(one.message and one.remedy for one in found)
    assert str(found[0]).startswith(found[0].severity.name.lower() + ": ")
    with pytest.raises(genseg.CancelledError):
        data.inspect(lambda finding: True)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"no picture")
    found = genseg.Dataset.inspect_path(tmp_path, context=context, allow_unlabelled=True)
    assert any(one.severity == Severity.ERROR for one in found)


def test_profile():
    context = genseg.Context(threads=1)
    context.set_profile(True)
    data = genseg.Dataset.phantom(count=3, size=(32, 32), context=context)
    data.split(2, 1)
    trainer = genseg.Trainer(data, method="plain", steps=2, width=4, size=(32, 32))
    trainer.run()
    context.set_profile(False)
    rows = context.profile()
    assert rows and rows[0].seconds >= rows[-1].seconds and all(row.runs > 0 for row in rows)
    assert any(len(row.shape) == 4 and row.flops > 0 for row in rows)
    assert context.threads == 1 and context.peak_flops() >= 0 and "MiB" in repr(context)
