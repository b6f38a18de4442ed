"""Arrays in and out: dtypes, strides, buffers of the caller; geometry; nibabel."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest
from conftest import ROOT, TINY, python

import genseg
from genseg import _arrays, _images

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


@pytest.fixture(scope="module")
def volume_segmenter():
    context = genseg.Context(threads=1)
    data = genseg.Dataset.phantom(ndim=3, count=4, size=(32, 32, 32), classes=3, context=context)
    data.split(3, 0)
    trainer = genseg.Trainer(data, method="plain", **{**TINY, "steps": 2, "size": (16, 16, 16)})
    trainer.run()
    return trainer.segmenter()


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_borrowed(dtype):
    array = np.zeros((3, 4), dtype)
    described = _arrays.source(array, "image")
    assert described.data == array.ctypes.data
    assert tuple(described.shape[:2]) == (3, 4) and tuple(described.strides[:2]) == array.strides
    assert _arrays.target(array, "out").data == array.ctypes.data
    assert genseg.context.dtype_size(described.dtype) == array.itemsize


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1],
        lambda a: a[:, ::-1],
        lambda a: a.T,
        lambda a: a[::2, 1::3],
        lambda a: a[-3:3:-2].T,
        lambda a: np.broadcast_to(a[0], a.shape),
        np.asfortranarray,
    ],
)
def test_strides_make_no_difference(segmenter, view):
    base = np.random.default_rng(2).normal(size=(64, 96))
    given = view(base)
    assert _arrays.source(given, "image").data == given.ctypes.data
    expected = segmenter.predict(np.ascontiguousarray(given).copy())
    assert (segmenter.predict(given) == expected).all()
    buffer = np.full((2 * expected.shape[0], 3 * expected.shape[1]), 77, np.int32)
    out = buffer[::-2, 1::3]
    assert segmenter.predict(given, out=out) is out
    assert (out == expected).all()
    assert (buffer == 77).sum() >= buffer.size - out.size


def test_records_and_unaligned_memory(segmenter, image):
    records = np.zeros(image.shape, np.dtype([("tag", "u1"), ("value", "f4")]))
    records["value"] = image
    assert (segmenter.predict(records["value"]) == segmenter.predict(image)).all()


def test_conversions_that_are_documented(segmenter, image):
    expected = segmenter.predict(image)
    assert (segmenter.predict(image.astype(">f4")) == expected).all()
    half = image.astype(np.float16)
    assert (segmenter.predict(half) == segmenter.predict(half.astype(np.float32))).all()
    assert (segmenter.predict(image > 0) == segmenter.predict((image > 0).astype(np.uint8))).all()
    assert (segmenter.predict(image.tolist()) == expected).all()
    read_only = image.copy()
    read_only.flags.writeable = False
    assert (segmenter.predict(read_only) == expected).all()


@pytest.mark.parametrize("dtype", ["c8", "O", "S3", "M8[s]"])
def test_other_dtypes_are_refused(segmenter, dtype):
    with pytest.raises(TypeError, match="image is of dtype .* convert it to one of uint8, "):
        segmenter.predict(np.zeros((32, 32), dtype))


def test_targets_are_refused(segmenter, image):
    frozen = np.zeros(image.shape, np.uint8)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        segmenter.predict(image, out=frozen)
    with pytest.raises(TypeError, match="out is of dtype >i2"):
        segmenter.predict(image, out=np.zeros(image.shape, ">i2"))
    with pytest.raises(TypeError, match="out is a list"):
        segmenter.predict(image, out=[[0] * 32] * 32)
    with pytest.raises(genseg.ShapeError):
        segmenter.predict(image, out=np.zeros((31, 32), np.uint8))
    with pytest.raises(genseg.InvalidError):
        segmenter.predict(image, out=np.zeros(image.shape, np.float32))
    with pytest.raises(genseg.InvalidError, match="float32"):
        segmenter.predict(image, probability=np.zeros((2, 32, 32), np.float64))
    with pytest.raises(TypeError, match="probability is 'yes'"):
        segmenter.predict(image, probability="yes")
    with pytest.raises(genseg.ShapeError, match="6 dimensions"):
        segmenter.predict(np.zeros((1,) * 6))
    with pytest.raises(genseg.ShapeError, match="0 dimensions"):
        segmenter.predict(np.float32(1))
    with pytest.raises(genseg.NumericError):
        segmenter.predict(np.full((32, 32), np.nan))


def test_probabilities(segmenter, image):
    label, chances = segmenter.predict(image, probability=True)
    assert chances.shape == (2, 32, 32) and chances.dtype == np.float32
    assert np.allclose(chances.sum(0), 1, atol=1e-5)
    assert (label == segmenter.label_values[(chances[1] > chances[0]).astype(int)]).all()
    own = np.zeros((32, 32, 2), np.float32)
    _, given = segmenter.predict(image, probability=own.transpose(2, 0, 1))
    assert (own.transpose(2, 0, 1) == chances).all() and np.shares_memory(own, given)


def test_geometry():
    assert (_arrays.geometry(None, (2, 3)) == np.diag([3, 2, 1, 1])).all()
    assert (_arrays.geometry(None, (5, 2, 3)) == np.diag([3, 2, 5, 1])).all()
    assert _arrays.geometry(None, None) is None
    for affine, spacing, error in [
        (np.eye(4), (1, 1), TypeError),
        (np.eye(3), None, ValueError),
        (None, (1,), ValueError),
        (None, (1, -1), ValueError),
    ]:
        with pytest.raises(error):
            _arrays.geometry(affine, spacing)


def test_geometry_of_cases(context):
    data = genseg.Dataset(context)
    data.add("a", np.ones((4, 5, 6)), spacing=(3, 2, 1))
    assert data[0].spacing == (3, 2, 1) and (data[0].affine == np.diag([1, 2, 3, 1])).all()
    affine = np.array([[0, -2, 0, 10], [1, 0, 0, -5], [0, 0, 3, 7], [0, 0, 0, 1]], float)
    data.add("b", np.ones((4, 5, 6)), affine=affine)
    assert (data["b"].affine == affine).all() and data["b"].spacing == (3, 2, 1)


def oblique(nibabel):
    """Turned by 20 and 35 degrees, with a mirrored axis, spacing 0.7 x 1.1 x 2.5."""
    a, b = np.deg2rad(20), np.deg2rad(35)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt @ np.diag([-0.7, 1.1, 2.5])
    affine[:3, 3] = 12.5, -40, 7
    return affine


def test_nibabel_round_trip(volume_segmenter, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    affine = oblique(nibabel)
    voxels = np.random.default_rng(3).integers(-100, 900, (20, 18, 14)).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, affine)
    image.header["descrip"] = b"kept"
    image.header["cal_max"] = 500
    image.set_sform(affine, 2)
    image.set_qform(affine, 1)
    assert np.shares_memory(_images.voxels(image), voxels)
    label = volume_segmenter.predict(image)
    assert type(label) is nibabel.Nifti1Image and label.shape == image.shape
    assert np.allclose(label.affine, affine) and label.get_data_dtype() == np.uint8
    assert label.header["descrip"] == b"kept" and label.header["cal_max"] == 0
    assert label.header["sform_code"] == 2 and label.header["qform_code"] == 1
    by_hand = volume_segmenter.predict(voxels.T, affine=affine)
    assert (np.asarray(label.dataobj) == by_hand.T).all()

    # What the tool's own readers and writers make of it is the same, voxel by voxel.
    nibabel.save(image, tmp_path / "image.nii.gz")
    volume_segmenter.predict_file(tmp_path / "image.nii.gz", tmp_path / "label.nii.gz")
    stored = nibabel.load(tmp_path / "label.nii.gz")
    assert (np.asarray(stored.dataobj) == np.asarray(label.dataobj)).all() and np.allclose(stored.affine, affine)
    assert (volume_segmenter.predict(tmp_path / "image.nii.gz") == by_hand).all()
    assert volume_segmenter.extension(tmp_path / "image.nii.gz") == ".nii.gz"
    nibabel.save(label, tmp_path / "label2.nii.gz")
    assert (np.asarray(nibabel.load(tmp_path / "label2.nii.gz").dataobj) == np.asarray(stored.dataobj)).all()

    label, chances = volume_segmenter.predict(image, probability=True)
    assert chances.shape == (*image.shape, 3) and np.allclose(chances.affine, affine)
    assert np.allclose(np.asarray(chances.dataobj).sum(-1), 1, atol=1e-5)


def test_nibabel_slices_and_cases(segmenter, context, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    rng = np.random.default_rng(4)
    affine = np.diag([0.5, 0.8, 4, 1])
    for shape in ((30, 40), (30, 40, 1)):
        image = nibabel.Nifti1Image(rng.normal(size=shape).astype(">f4"), affine)
        label, chances = segmenter.predict(image, probability=True)
        assert label.shape == shape and chances.shape[: len(shape)] == shape and chances.shape[-1] == 2
    data = genseg.Dataset(context)
    image = nibabel.Nifti1Image(rng.normal(size=(6, 5, 4)), oblique(nibabel))
    label = nibabel.Nifti1Image(rng.integers(0, 2, (6, 5, 4)).astype(np.int16), image.affine)
    data.add("scan", image, label)
    assert data[0].shape == (4, 5, 6) and np.allclose(data[0].affine, image.affine)
    assert (data[0].label == np.asarray(label.dataobj).T).all()
    assert np.allclose(data[0].image, image.get_fdata().T)
    data[0].save_label(tmp_path / "label.nii.gz", label)
    data[0].save_image(tmp_path / "image.nii.gz")
    stored = nibabel.load(tmp_path / "label.nii.gz")
    assert np.allclose(stored.affine, image.affine, atol=1e-5)
    assert (np.asarray(stored.dataobj) == np.asarray(label.dataobj)).all()
    assert np.allclose(nibabel.load(tmp_path / "image.nii.gz").get_fdata(), image.get_fdata(), atol=1e-6)
    channels = nibabel.Nifti1Image(rng.normal(size=(6, 5, 4, 2)), np.eye(4))
    many = genseg.Dataset(context)
    many.add("scan", channels, label)
    assert many.channels == 2 and many[0].image.shape == (2, 4, 5, 6)


def test_nibabel_is_not_imported():
    done = python("import sys, genseg; print('nibabel' in sys.modules, 'tqdm' in sys.modules)")
    assert done.stdout.split() == ["False", "False"], done
    assert not _images.is_nibabel(object())


def test_real_volumes_lie_as_nibabel_has_them(context):
    """Both ways to the same file, the library's reader and nibabel's, meet voxel by voxel."""
    nibabel = pytest.importorskip("nibabel")
    folder = pathlib.Path(os.environ.get("GENSEG_DATA", ROOT.parent / "shared" / "data")) / "hippocampus-msd"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: GENSEG_DATA names the folder of real data")
    data = genseg.Dataset.open(folder, context=context)
    for case in list(data)[:3]:
        image = nibabel.load(case.path)
        assert case.shape == image.shape[::-1] and np.allclose(case.affine, image.affine, atol=1e-4)
        assert np.allclose(case.image, image.get_fdata().T, atol=1e-3)
        assert np.allclose(case.spacing, image.header.get_zooms()[::-1], atol=1e-5)
