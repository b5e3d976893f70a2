"""The extractors' networks against the ones they are copies of."""

import hashlib
import json
import re

import golden
import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo import metrics
from ganzoo.metrics import extractors, inception
from ganzoo.metrics.resize import resize


@pytest.fixture(scope="module")
def case():
    return golden.load("fid_inception", "inception")


@pytest.fixture(scope="module")
def seeded(case):
    """The Inception network with weights drawn by name, as the reference ran."""
    return inception.from_arrays(golden.seeded_state(case))


def test_inception_is_the_network_of_the_fid(case, seeded):
    depths = {"64": "pool1", "192": "pool2", "768": "Mixed_6e"}
    layers = [seeded.network.get_layer(name).output for name in depths.values()]
    taps = keras.Model(seeded.network.input, layers)
    for name in ("sq32", "rect"):
        images = case[f"in/{name}"]
        features, logits = seeded.outputs(images)
        assert golden.error(features, case[f"out/{name}/2048"]) < 1e-5
        assert golden.error(logits, case[f"out/{name}/logits_unbiased"]) < 1e-5
        large = resize(tf.constant(images, tf.float32), seeded.size, seeded.resizing)
        for depth, tap in zip(depths, taps(large), strict=True):
            means = tap.numpy().mean(axis=(1, 2))
            assert golden.error(means, case[f"out/{name}/{depth}"]) < 3e-5
    resized = np.transpose(large.numpy(), (0, 3, 1, 2))[:, :, ::5, ::5]
    np.testing.assert_allclose(resized, case["out/resize_rect__s5"], atol=1e-3)


def test_only_the_published_weights_make_a_fid(seeded):
    assert metrics.FID(seeded).title == "FD-inception_given"
    seeded.name = "inception_2015"
    titles = [cls(seeded).title for cls in (metrics.FID, metrics.KID, metrics.InceptionScore)]
    assert titles == ["FID", "KID", "IS"]
    seeded.name = "inception_given"


def test_lite0_is_the_published_network():
    case = golden.load("lite0", "garments")
    lite0 = metrics.load_extractor("lite0")
    with np.load(ganzoo.data.sources.EMBEDDED["fashion_mnist_10k"]) as garments:
        chosen = [np.flatnonzero(garments["y_test"] == label)[0] for label in (1, 5, 9)]
        images = garments["x_test"][chosen]
    large = np.repeat(np.repeat(images, 8, axis=1), 8, axis=2)[..., None]
    features, logits = lite0.outputs(large)
    # the weights are rounded to half precision; unrounded, the errors are 1e-6
    assert golden.error(features, case["features"]) < 0.02
    assert golden.error(logits, case["logits"]) < 0.02
    assert (logits.argmax(axis=1) == case["logits"].argmax(axis=1)).all()
    # another size is resized to its own first, smoothly
    colour = np.repeat(images[..., None], 3, axis=-1).astype("float32")
    direct, _ = lite0.network(tf.image.resize(colour, (224, 224), "bilinear"), training=False)
    assert golden.error(lite0.features(images[..., None]), direct) < 1e-3


def test_graph_names_are_those_of_the_published_graph():
    for name, scope in (
        ("Conv2d_1a_3x3", "conv"),
        ("Conv2d_4a_3x3", "conv_4"),
        ("Mixed_5b.branch1x1", "mixed/conv"),
        ("Mixed_5c.branch5x5_2", "mixed_1/tower/conv_1"),
        ("Mixed_5d.branch3x3dbl_3", "mixed_2/tower_1/conv_2"),
        ("Mixed_6a.branch3x3", "mixed_3/conv"),
        ("Mixed_6a.branch3x3dbl_3", "mixed_3/tower/conv_2"),
        ("Mixed_6b.branch7x7_1", "mixed_4/tower/conv"),
        ("Mixed_6e.branch7x7dbl_5", "mixed_7/tower_1/conv_4"),
        ("Mixed_6e.branch_pool", "mixed_7/tower_2/conv"),
        ("Mixed_7a.branch3x3_2", "mixed_8/tower/conv_1"),
        ("Mixed_7a.branch7x7x3_4", "mixed_8/tower_1/conv_3"),
        ("Mixed_7b.branch3x3_1", "mixed_9/tower/conv"),
        ("Mixed_7b.branch3x3_2b", "mixed_9/tower/mixed/conv_1"),
        ("Mixed_7c.branch3x3dbl_3a", "mixed_10/tower_1/mixed/conv"),
    ):
        assert inception.graph_name(name) == scope


def test_without_file_and_network_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv(inception.VARIABLE, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(inception, "URL", "http://127.0.0.1:9/")  # where nothing listens
    with pytest.raises(FileNotFoundError, match=r"cannot be downloaded. Get http") as error:
        metrics.FID()
    line = str(error.value)
    assert "\n" not in line and "GANZOO_INCEPTION" in line and "fashion, lite0, mnist" in line
    assert str(tmp_path / "ganzoo") in line
    (tmp_path / "ganzoo").mkdir(exist_ok=True)
    (tmp_path / "ganzoo" / "classify_image_graph_def.pb").write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"classify_image_graph_def.pb has sha256"):
        metrics.FID()
    monkeypatch.setenv(inception.VARIABLE, str(tmp_path / "elsewhere.pth"))
    with pytest.raises(FileNotFoundError, match=r"no weight file .*elsewhere.pth. Get http"):
        metrics.load_extractor("inception_2015")
    other = tmp_path / "other.pth"
    other.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"other.pth has sha256 .*, want 6726825d0af5"):
        metrics.load_extractor("inception_2015", other)


def test_arrays_that_do_not_fit_are_named(seeded):
    layer = seeded.network.get_layer("Conv2d_1a_3x3")
    state = {"Conv2d_1a_3x3.conv.weight": np.zeros((32, 3, 3, 3))}
    with pytest.raises(ValueError, match=r"'Conv2d_1a_3x3.bn.weight' is missing"):
        inception.folded(state, layer)
    state["Conv2d_1a_3x3.conv.weight"] = np.zeros((32, 3, 5, 5))
    with pytest.raises(ValueError, match=r"has shape \(32, 3, 5, 5\), want \(32, 3, 3, 3\)"):
        inception.folded(state, layer)


@pytest.mark.slow
def test_both_published_forms_give_the_same_network(tmp_path, case, seeded, monkeypatch):
    """Files in the form of the published ones, of 95 MB each, written by NumPy and TensorFlow."""
    state = golden.seeded_state(case)
    graph = tf.compat.v1.GraphDef()

    def constant(name, array):
        node = graph.node.add(name=name, op="Const")
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))

    for key, array in state.items():
        name, _, part = key.rpartition(".")
        if name == "fc":
            constant({"weight": "softmax/weights", "bias": "softmax/biases"}[part], array.T)
        elif name.endswith(".conv"):
            scope = inception.graph_name(name.removesuffix(".conv"))
            constant(f"{scope}/conv2d_params", array.transpose(2, 3, 1, 0))
        else:
            theirs = {"weight": "gamma", "bias": "beta"}.get(part)
            theirs = theirs or part.replace("running", "moving").replace("var", "variance")
            scope = inception.graph_name(name.removesuffix(".bn"))
            constant(f"{scope}/batchnorm/{theirs}", array)
    files = tmp_path / "graph.pb", tmp_path / "port.npz"
    files[0].write_bytes(graph.SerializeToString())
    np.savez(files[1], **state)
    names = ("classify_image_graph_def.pb", next(iter(inception.FILES)))
    for file, name in zip(files, names, strict=True):
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        monkeypatch.setitem(inception.FILES, name, sha256)
        monkeypatch.setenv(inception.VARIABLE, str(file))
        extractor = metrics.load_extractor("inception_2015")
        assert (extractor.name, extractor.sha256) == ("inception_2015", sha256)
        for ours, theirs in zip(
            extractor.network.get_weights(), seeded.network.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    files[0].write_bytes(tf.compat.v1.GraphDef().SerializeToString())
    with pytest.raises(ValueError, match="is not the graph of 2015: it has no constant 'softmax"):
        inception.graph_arrays(files[0])


def test_the_index_tells_where_shipped_weights_are_from():
    rows = extractors.index()
    assert set(metrics.list_extractors()) == {*rows, "inception_2015"}
    for row in rows.values():
        assert re.fullmatch(r"[0-9a-f]{64}", row["sha256"]) and row["data"] and row["made_by"]
    assert "Apache" in (extractors.WEIGHTS / "NOTICE_lite0").read_text()
    assert (extractors.WEIGHTS / rows["lite0"]["file"]).stat().st_size < 10e6
    assert json.loads((extractors.WEIGHTS / "index.json").read_text()) == rows
