"""Generators and model files."""

from __future__ import annotations

import numpy as np
import pytest

import genseg


def test_generator(trained, tmp_path):
    generator = trained.generator()
    info = generator.info
    assert info.ndim == 2 and info.classes == 2 and info.size == (1, 32, 32) and info.candidates == 3
    other = np.zeros((40, 36), np.int16)
    other[10:30, 8:28] = 1
    assert generator.run(other).shape == other.shape
    label = other[:32, :32]
    image = generator.run(label)
    assert image.shape == label.shape and image.dtype == np.float32 and np.abs(image).max() <= 1
    assert (generator.run(label[::-1].copy()[::-1]) == image).all()
    assert (generator.run(label.astype(bool)) == image).all()
    warped_image, warped = generator.run(label, warped=True, warp=True, seed=4, number=2, magnitude=1.5)
    assert warped.dtype == np.int16 and set(np.unique(warped)) <= {0, 1} and (warped != label).any()
    assert (warped_image != image).any() and np.abs(warped_image).max() <= 1
    out, moved = np.empty((32, 32), np.float32), np.empty((32, 32), np.uint8)
    first, second = generator.run(label, out=out.T, warped=moved)
    assert (out.T == image).all() and second is moved and (moved == label).all()
    assert np.shares_memory(first, out)
    merged, best = generator.discretise(), generator.discretise("best")
    assert merged.info.candidates == best.info.candidates == 1
    assert np.allclose(merged.run(label), image, atol=1e-3)
    with pytest.raises(genseg.FormatError):
        generator.run(label + 5)
    with pytest.raises(genseg.InvalidError, match="how is 'worst', known are 'none', 'merged', 'best'"):
        generator.discretise("worst")
    assert "2-D" in repr(generator)

    segmenter = trained.segmenter()
    segmenter.save(tmp_path / "both.safetensors", generator)
    again = genseg.Generator.load(tmp_path / "both.safetensors", context=generator.context)
    assert (again.run(label) == image).all()
    segmenter.save(tmp_path / "one.safetensors")
    with pytest.raises(genseg.FormatError, match="no generator"):
        genseg.Generator.load(tmp_path / "one.safetensors")
    data = genseg.Dataset.phantom(count=1, size=(32, 32), context=generator.context)
    data[0].save_label(tmp_path / "label.png", data[0].label)
    generator.run_file(tmp_path / "label.png", tmp_path / "image.png", tmp_path / "warped.png", warp=True)
    assert (tmp_path / "image.png").exists() and (tmp_path / "warped.png").exists()


def test_generator_with_nibabel(trained):
    nibabel = pytest.importorskip("nibabel")
    label = nibabel.Nifti1Image(np.eye(32, dtype=np.int16)[:, :, None], np.diag([0.5, 0.5, 2, 1]))
    image, warped = trained.generator().run(label, warped=True, warp=True)
    assert image.shape == warped.shape == (32, 32, 1) and image.get_data_dtype() == np.float32
    assert (image.affine == label.affine).all() and warped.get_data_dtype() == np.int16


def test_model_files(segmenter, phantom, image, tmp_path):
    segmenter.save(tmp_path / "model.safetensors")
    again = genseg.Segmenter.load(tmp_path / "model.safetensors", context=segmenter.context)
    assert again.info == segmenter.info and (again.predict(image) == segmenter.predict(image)).all()
    assert again.label_names == ("0", "1") and list(again.label_values) == [0, 1] and "unet2d" in repr(again)
    before = [case.split for case in phantom]
    phantom.split(1)
    again.divide(phantom)
    assert [case.split for case in phantom] == before
    results = again.evaluate(phantom, "test", predictions=True, convention="medpy", surface_tolerance=2, overlap=0.25)
    assert [one.name for one in results] == [case.name for case in phantom.cases("test")]
    expected = again.predict(phantom[results[0].index].image)
    assert (results[0].prediction == expected).all() and results[0].done == results[0].total == 1
    with pytest.raises(genseg.InvalidError, match="spacing is taken from the data"):
        again.evaluate(phantom, spacing=(1, 1))
    with pytest.raises(genseg.InvalidError, match="overlap"):
        again.predict(image, overlap=2)
    phantom.save_hdf5(tmp_path / "many.h5")
    with pytest.raises(genseg.InvalidError, match="many.h5 holds 8 cases"):
        again.predict(tmp_path / "many.h5")
    phantom[0].save_image(tmp_path / "image.png")
    tiles = []
    again.predict_file(tmp_path / "image.png", tmp_path / "label.png", progress=tiles.append)
    assert tiles and tiles[-1].phase == genseg.Phase.PREDICT and (tmp_path / "label.png").exists()
    assert again.extension(tmp_path / "image.png") == ".png"
    assert again.extension(tmp_path / "image.png", probability=True) == ".nii.gz"
