"""`ganzoo.metrics`: against figures of other implementations, on real images, on bad input."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from parity import golden

import ganzoo
from ganzoo import metrics
from ganzoo.metrics import extractors, statistics
from ganzoo.metrics.resize import matrix, resize

RNG = np.random.default_rng(5)
SETS = (
    metrics.FID,
    metrics.KID,
    metrics.PrecisionRecall,
    metrics.DensityCoverage,
    metrics.InceptionScore,
)


@pytest.fixture(scope="module")
def fashion():
    return metrics.load_extractor("fashion")


@pytest.fixture(scope="module")
def held_out():
    batch = next(iter(ganzoo.data.load(split="test", batch_size=400, shuffle=True)))
    return batch[0].numpy(), batch[1].numpy()


def value(metric, real, fake, **labels):
    metric.reset_state()
    metric.update_state(real, fake, **labels)
    return metric.result()


# Against other implementations


@pytest.mark.parametrize("case", ["f64", "f16_far", "rank_deficient"])
def test_features_score_as_other_implementations_score_them(case):
    golden_case = golden.load("metrics", case)
    real, fake = golden_case["in/real"], golden_case["in/fake"]
    fid = metrics.FID(extractor=None)
    for i in range(0, len(real), 37):  # in pieces, of different number on both sides
        fid.update_state(real[i : i + 37], fake[i * len(fake) // len(real) :][:0])
    for i in range(0, len(fake), 11):
        fid.update_state(real[:0], fake[i : i + 11])
    for source in ("fid_torch_fidelity", "fid_cleanfid"):
        np.testing.assert_allclose(fid.result(), golden_case[f"out/{source}"], rtol=1e-7)
    assert float(value(fid, real, real)) < 1e-9

    m = int(golden_case["out/m"])
    kid = value(metrics.KID(extractor=None), real[:m], fake[:m])
    np.testing.assert_allclose(kid, golden_case["out/kid_full_unbiased_first_m"], rtol=1e-9)

    for k in (3, 5):
        shares = value(metrics.PrecisionRecall(None, k=k), real, fake)
        for part in ("precision", "recall"):
            # float32 there; the other library's rim is outside, and no point lies on it
            np.testing.assert_allclose(shares[part], golden_case[f"out/{part}_k{k}"], rtol=1e-7)
            np.testing.assert_allclose(shares[part], golden_case[f"out/prdc_k{k}_{part}"], 1e-12)
        shares = value(metrics.DensityCoverage(None, k=k), real, fake)
        for part in ("density", "coverage"):
            np.testing.assert_allclose(shares[part], golden_case[f"out/prdc_k{k}_{part}"], 1e-12)


def test_logits_score_as_another_implementation_scores_them():
    case = golden.load("metrics", "inception_score")
    for splits in (1, 10):
        metric = metrics.InceptionScore(None, splits=splits)
        mean = value(metric, case["in/logits"], case["in/logits"])
        np.testing.assert_allclose(mean, case[f"out/splits{splits}_mean"], rtol=1e-12)
        deviation = (metric.interval()[1] - metric.interval()[0]) / 2
        np.testing.assert_allclose(
            deviation, case[f"out/splits{splits}_std"], rtol=1e-9, atol=1e-12
        )


def test_blocks_change_nothing(monkeypatch):
    case = golden.load("metrics", "f64")
    real, fake = case["in/real"], case["in/fake"]
    whole = statistics.kernel_distance(real, fake), statistics.manifold_scores(real, fake, 5)
    monkeypatch.setattr(statistics, "BLOCK", 64)
    np.testing.assert_allclose(statistics.kernel_distance(real, fake), whole[0], rtol=1e-12)
    assert statistics.manifold_scores(real, fake, 5) == whole[1]


def test_frechet_distance_of_known_normal_distributions():
    # |m1 - m2|^2 + sum (s1 - s2)^2, of moments that are exact
    n, m1, m2 = 100, np.array([0.0, 3.0, 1e3]), np.array([1.0, 1.0, 1e3])
    s1, s2 = np.array([1.0, 2.0, 0.0]), np.array([3.0, 2.0, 0.0])

    def moments(mean, deviation):
        products = (n - 1) * np.diag(deviation**2) + n * np.outer(mean, mean)
        return statistics.Moments(n, n * mean, products)

    distance = statistics.frechet_distance(moments(m1, s1), moments(m2, s2))
    np.testing.assert_allclose(distance, 5 + 4, rtol=1e-7)


def test_the_kernel_distance_is_unbiased_and_its_error_true():
    # many pairs of small sets of the same two populations: their spread is the error to be told
    def draw(seed):
        rng = np.random.default_rng(seed)
        return rng.standard_normal((60, 8)), 0.6 + rng.standard_normal((90, 8))

    found = np.array([statistics.kernel_distance(*draw(seed)) for seed in range(150)])
    rng = np.random.default_rng(1)
    true = statistics.kernel_distance(
        rng.standard_normal((2000, 8)), 0.6 + rng.standard_normal((2000, 8))
    )
    spread = found[:, 0].std()
    assert abs(found[:, 0].mean() - true[0]) < 4 * (spread / 12 + true[1])
    assert 0.8 < np.sqrt((found[:, 1] ** 2).mean()) / spread < 1.25
    within = np.abs(found[:, 0] - true[0]) < 1.96 * found[:, 1]
    assert 0.9 < within.mean() < 0.99
    same = np.array(
        [statistics.kernel_distance(draw(seed)[0], draw(seed + 1000)[0])[0] for seed in range(150)]
    )
    assert abs(same.mean()) < 3.5 * same.std() / np.sqrt(len(same))


# Images


def test_the_shipped_classifiers_know_the_held_out_images():
    for name, floor in (("fashion", 0.92), ("mnist", 0.992)):
        assert extractors.index()[name]["test_accuracy"] >= floor
        file = extractors.WEIGHTS / extractors.index()[name]["file"]
        assert file.stat().st_size < 1e6
    fashion = metrics.load_extractor("fashion")
    right = total = 0
    for images, labels in ganzoo.data.load(split="test", batch_size=500, shuffle=False):
        right += (fashion.logits(images.numpy()).argmax(1) == labels.numpy()).sum()
        total += len(labels)
    # a fifth of the complete test set, on which the accuracy in the index was measured
    assert abs(right / total - extractors.index()["fashion"]["test_accuracy"]) < 0.015


def test_the_digit_classifier_knows_digits_it_never_saw():
    with np.load(golden.HERE / "mnist_digits.npz", allow_pickle=False) as digits:
        named = metrics.load_extractor("mnist").logits(digits["x"][..., None]).argmax(1)
        assert (named == digits["y"]).sum() >= 197  # of 200


def test_scores_order_what_eyes_order(fashion, garments, held_out):
    """The same images with more and more noise score worse and worse, and other real ones best."""
    real, images = held_out[0], garments[0][:400]
    scores = {cls: [] for cls in SETS}
    for noise in (0, 40, 120):
        noisy = images + noise * RNG.standard_normal(images.shape)
        noisy = np.clip(np.round(noisy), 0, 255).astype("uint8")
        for cls in SETS:
            found = value(cls(fashion), real, noisy)
            parts = found.values() if isinstance(found, dict) else [found]
            scores[cls].append([float(part) for part in parts])
    for cls in (metrics.FID, metrics.KID):
        assert scores[cls][0] < scores[cls][1] < scores[cls][2]
    for cls in SETS[2:]:
        (best, middle, worst) = np.array(scores[cls])
        assert (best > middle).all() and (middle >= worst).all()


def test_floats_and_pieces_score_as_the_whole(fashion, garments, held_out):
    real, fake = held_out[0], garments[0][:300]
    for cls in SETS:
        whole = value(cls(fashion), real, fake)
        metric = cls(fashion)
        for i in range(0, 400, 100):
            metric.update_state(real[i : i + 100] / 127.5 - 1, fake[i : i + 100][:100] / 127.5 - 1)
            if i == 200:  # the fakes are through: the rest of the real ones comes alone
                metric.update_state(real[300:], fake[:0]) if "real" in cls.sides else None
                break
        tf.nest.map_structure(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
            metric.result(),
            whole,
        )


def test_label_fidelity_is_the_mean_accuracy_of_classes(fashion, held_out):
    images, labels = held_out
    named = fashion.logits(images).argmax(1)
    metric = metrics.LabelFidelity(fashion)
    found = value(metric, images, images, labels=labels)
    by_hand = np.mean([(named[labels == c] == c).mean() for c in range(10)])
    np.testing.assert_allclose(found, by_hand, rtol=1e-12)
    assert by_hand > 0.85
    one_hot = np.eye(10)[labels]
    np.testing.assert_allclose(value(metric, images, images, labels=one_hot), by_hand, rtol=1e-12)
    assert float(value(metric, images, images, labels=(labels + 1) % 10)) < 0.05


def test_metrics_of_pairs_are_those_of_tensorflow(held_out):
    real = held_out[0][:8]
    fake = np.clip(real.astype(int) + RNG.integers(-40, 40, real.shape), 0, 255).astype("uint8")
    for cls, function in (
        (metrics.PSNR, tf.image.psnr),
        (metrics.SSIM, tf.image.ssim),
    ):
        want = function(real, fake, 255).numpy().mean()
        np.testing.assert_allclose(value(cls(), real, fake), want, rtol=1e-5)
        floats = [images / 127.5 - 1 for images in (real, fake)]
        np.testing.assert_allclose(value(cls(), *floats), want, rtol=1e-5)
    np.testing.assert_allclose(
        value(metrics.PSNR(), real, fake),
        np.mean(
            [
                10 * np.log10(255**2 / np.mean((a - b) ** 2.0))
                for a, b in zip(real * 1.0, fake, strict=True)
            ]
        ),
        rtol=1e-5,
    )
    assert float(value(metrics.PSNR(), real, real)) == np.inf
    large = np.asarray(tf.image.resize(real.astype("float32"), (180, 190))).round().astype("uint8")
    noisy = np.clip(large.astype(int) + RNG.integers(-40, 40, large.shape), 0, 255).astype("uint8")
    want = tf.image.ssim_multiscale(large, noisy, 255).numpy().mean()
    np.testing.assert_allclose(value(metrics.MSSSIM(), large, noisy), want, rtol=1e-4)
    few = float(value(metrics.MSSSIM(), real, fake))  # 28 pixels: two scales
    assert 0 < few < 1 and abs(float(value(metrics.MSSSIM(), real, real)) - 1) < 1e-6


# Resizing


def test_resizing_is_pillows_and_tensorflows():
    from PIL import Image

    image = RNG.integers(0, 256, (45, 70, 3), dtype=np.uint8)
    for shape in ((28, 28), (90, 100)):
        ours = resize(tf.constant(image[None], tf.float32), (*shape, 3), "antialiased bilinear")
        theirs = Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR)
        # Pillow rounds after each axis
        assert np.abs(ours[0].numpy() - np.asarray(theirs)).max() < 1.1
        ours = resize(tf.constant(image[None], tf.float32), (*shape, 3), "tf1 bilinear")
        theirs = tf.compat.v1.image.resize_bilinear(image[None].astype("float32"), shape)
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    with pytest.raises(ValueError, match='want "antialiased bilinear" or "tf1 bilinear"'):
        matrix(4, 8, "bicubic")


def test_channels_are_made_to_fit(fashion, held_out):
    grey = held_out[0][:4]
    want = fashion.features(grey)
    opaque = np.full_like(grey, 255)
    for images in (np.repeat(grey, 3, -1), np.concatenate([grey, grey, grey, opaque], -1)):
        np.testing.assert_allclose(fashion.features(images), want, rtol=1e-3, atol=1e-3)
    unseen = np.concatenate([grey, grey, grey, opaque * 0], -1)
    np.testing.assert_allclose(
        fashion.features(unseen), fashion.features(np.full_like(grey, 255)), rtol=1e-3, atol=1e-3
    )


# In a model


@pytest.fixture(scope="module")
def scored(garments, held_out, tmp_path_factory):
    """A tiny model trained with metrics under stock callbacks, its logs, the checkpoint."""
    keras.utils.set_random_seed(3)
    gan = tiny.make(ganzoo.CGAN, image_shape=(28, 28, 1), num_classes=10)
    gan.compile(
        metrics=[
            metrics.FID("fashion"),
            metrics.KID("fashion", limit=150),
            metrics.DensityCoverage("fashion", limit=150),
            metrics.LabelFidelity("fashion"),
            metrics.SSIM(),
            keras.metrics.MeanSquaredError(name="mse"),
        ]
    )
    best = keras.callbacks.ModelCheckpoint(
        tmp_path_factory.mktemp("best") / "gan.weights.h5",
        monitor="val_fid",
        mode="min",
        save_best_only=True,
        save_weights_only=True,
    )
    # no epoch is better by that much, so the second one is the last
    stop = keras.callbacks.EarlyStopping("val_fid", min_delta=1e6, mode="min", patience=0)
    history = gan.fit(
        *(part[:64] for part in garments),
        batch_size=32,
        epochs=4,
        verbose=0,
        callbacks=[best, stop],
        validation_data=held_out,
    )
    return gan, history.history, best


def test_validation_reports_the_scores(scored, held_out, fashion):
    gan, logs, _ = scored
    keys = ("fid", "kid", "density", "coverage", "label_fidelity", "ssim", "mse")
    assert {f"val_{key}" for key in keys} <= set(logs)
    assert all(np.isfinite(logs[f"val_{key}"]).all() for key in keys)
    again = gan.evaluate(*held_out, verbose=0, return_dict=True)
    assert {key: again[key] for key in keys} == pytest.approx(
        {key: logs[f"val_{key}"][-1] for key in keys}, rel=1e-6
    )
    as_list = gan.evaluate(*held_out, verbose=0)
    assert sorted(as_list) == pytest.approx(sorted(again.values()), rel=1e-6)
    # the fakes of `evaluate`, made once more and scored alone
    noise = ganzoo.random.Noise(0)
    fakes = []
    for i in range(0, 400, 32):
        labels = held_out[1][i : i + 32]
        z = noise.normal((len(labels), gan.latent_dim))
        fakes.append(gan([z, labels]).numpy())
    fakes = np.concatenate(fakes)
    alone = value(metrics.FID(fashion), held_out[0], fakes)
    np.testing.assert_allclose(again["fid"], alone, rtol=1e-3)
    kept = value(metrics.KID(fashion), held_out[0][:150], fakes[:150])
    np.testing.assert_allclose(again["kid"], kept, rtol=1e-3)
    fidelity = value(metrics.LabelFidelity(fashion), held_out[0], fakes, labels=held_out[1])
    np.testing.assert_allclose(again["label_fidelity"], fidelity, atol=0.006)


def test_stock_callbacks_watch_the_scores(scored):
    _, logs, best = scored
    assert len(logs["val_fid"]) == 2
    assert float(best.best) == min(logs["val_fid"]) and pathlib.Path(best.filepath).exists()


def test_metrics_are_saved_with_the_model(scored, tmp_path):
    gan, _, _ = scored
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    configs = [[m.get_config() for m in model._reports.metrics] for model in (gan, loaded)]
    assert configs[0] == configs[1] and configs[0][1]["limit"] == 150


def test_two_devices_keep_what_one_keeps(two_devices, held_out, fashion):
    images = tf.constant(held_out[0][:64])
    made = {}
    with two_devices.scope():
        for cls in (metrics.FID, metrics.KID, metrics.InceptionScore):
            made[cls] = cls("fashion")
    data = tf.data.Dataset.from_tensor_slices(images).batch(16)
    data = two_devices.experimental_distribute_dataset(data)

    @tf.function
    def step(batch):
        for metric in made.values():
            metric.update_state(batch, tf.reverse(batch, [2]))

    for batch in data:
        two_devices.run(step, args=(batch,))
    for cls, metric in made.items():
        alone = value(cls(fashion), held_out[0][:64], held_out[0][:64, :, ::-1])
        # the order of rows differs, and with it the pieces of the Inception Score
        rtol = 0.2 if cls is metrics.InceptionScore else 1e-4
        np.testing.assert_allclose(metric.result(), alone, rtol=rtol)


def test_xla_computes_the_same(held_out, fashion):
    images, labels = tf.constant(held_out[0][:40]), tf.range(40) % 10
    made, plain = (
        [cls(fashion) for cls in (metrics.FID, metrics.KID, metrics.LabelFidelity)]
        for _ in range(2)
    )

    @tf.function(jit_compile=True)
    def step(real, fake):
        for metric in made:
            metric.update_state(real, fake, labels)

    step(images, tf.reverse(images, [1]))
    for metric, eager in zip(made, plain, strict=True):
        eager.update_state(images, tf.reverse(images, [1]), labels)
        np.testing.assert_allclose(metric.result(), eager.result(), rtol=1e-3)


def test_features_are_float32_whatever_the_policy(held_out, fashion):
    keras.config.set_dtype_policy("mixed_bfloat16")
    again = metrics.load_extractor("fashion").features(held_out[0][:5])
    np.testing.assert_array_equal(again, fashion.features(held_out[0][:5]))


# Bad input


def test_too_few_images_are_counted(fashion, held_out):
    images = held_out[0]
    for metric, n, message in (
        (metrics.FID(fashion), 1, "FD-fashion needs 2 real images or more, and got 1"),
        (metrics.KID(fashion), 1, "KD-fashion needs 2 real images or more, and got 1"),
        (metrics.PrecisionRecall(fashion), 3, "PR-fashion needs 4 real images or more, and got 3"),
        (metrics.DensityCoverage(fashion), 5, "DC-fashion needs 6 real images or more, and got 5"),
        (metrics.InceptionScore(fashion), 9, "IS-fashion needs 10 fake images or more, and got 9"),
        (metrics.FID(fashion), 0, "FD-fashion needs 2 real images or more, and got 0"),
        (metrics.PSNR(), 0, "PSNR needs 1 pair of images or more, and got 0"),
    ):
        if n:
            metric.update_state(images[:n], images[:n])
        with pytest.raises(ValueError, match=message):
            metric.result()


def test_classes_that_are_missing_or_unknown_are_named(fashion, held_out):
    metric, images = metrics.LabelFidelity(fashion), held_out[0][:20]
    with pytest.raises(ValueError, match=r"no fakes of class 3, 9: give images of all 10"):
        value(metric, images, images, labels=np.array([0, 1, 2, 4, 5, 6, 7, 8] * 3)[:20])
    with pytest.raises(ValueError, match=r"1 of 20 fakes have a label that is none of .* 10 cl"):
        value(metric, images, images, labels=np.arange(20) % 11)
    with pytest.raises(ValueError, match="fakes without labels"):
        value(metric, images, images)


def test_images_of_other_types_and_ranges_are_refused(fashion, held_out):
    images = held_out[0][:20]
    with pytest.raises(ValueError, match="images of type float32: want uint8"):
        fashion.features(images.astype("float32"))
    with pytest.raises(ValueError, match=r"images of shape \(20, 28, 28\): want \(N, H, W, C\)"):
        fashion.features(images[..., 0])
    metric = metrics.FID(fashion)
    with pytest.raises(
        ValueError, match=r"fake images: float images in \[0, 255\]: want \[-1, 1\]"
    ):
        metric.update_state(images, images.astype("float32"))
    with pytest.raises(ValueError, match=r"want pairs \(N, H, W, C\) of one shape"):
        metrics.SSIM().update_state(images, images[:, :20])
    with pytest.raises(ValueError, match="want 11 pixels or more a side"):
        metrics.SSIM().update_state(images[:, :8], images[:, :8])
    with pytest.raises(ValueError, match=r"want features \(N, D\), or name an extractor"):
        metrics.FID(None).update_state(images, images)


def test_nan_is_an_error_and_not_a_score(fashion, held_out):
    images = held_out[0][:20]
    broken = images / 127.5 - 1
    broken[3, 4, 5] = np.nan
    with pytest.raises(ValueError, match="1 of the first 20 images hold NaN"):
        metrics.FID(fashion).update_state(images, broken)
    for metric in (metrics.FID(fashion), metrics.KID(fashion)):
        tf.function(metric.update_state)(tf.constant(images), tf.constant(broken, tf.float32))
        with pytest.raises(ValueError, match="features of the fake images hold NaN"):
            metric.result()
    metric = metrics.PSNR()
    metric.update_state(images / 127.5 - 1, broken)
    with pytest.raises(ValueError, match="PSNR: the images hold NaN"):
        metric.result()


def test_real_images_that_are_all_alike_are_refused_and_such_fakes_scored(fashion, held_out):
    alike = np.repeat(held_out[0][:1], 20, 0)
    for cls in (metrics.FID, metrics.KID, metrics.PrecisionRecall):
        with pytest.raises(ValueError, match="all 20 real images have the same features"):
            value(cls(fashion), alike, held_out[0][:20])
    assert float(value(metrics.FID(fashion), held_out[0], alike)) > 10
    shares = value(metrics.PrecisionRecall(fashion), held_out[0], alike)
    assert float(shares["recall"]) <= 1 / 100


def test_options_out_of_range_are_refused(fashion):
    with pytest.raises(ValueError, match="extractor='vgg': want one of fashion"):
        metrics.FID("vgg")
    for make in (
        lambda: metrics.KID(fashion, limit=1),
        lambda: metrics.PrecisionRecall(fashion, k=0),
        lambda: metrics.InceptionScore(fashion, splits=0),
    ):
        with pytest.raises(ValueError, match="want a whole number"):
            make()


def test_a_changed_weight_file_is_refused(tmp_path, monkeypatch):
    rows = extractors.index()
    for row in rows.values():
        content = bytearray((extractors.WEIGHTS / row["file"]).read_bytes())
        content[-1] ^= 1
        (tmp_path / row["file"]).write_bytes(content)
    (tmp_path / "index.json").write_text(json.dumps(rows))
    monkeypatch.setattr(extractors, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match=r"fashion.npz has sha256 .*truncated, altered"):
        metrics.load_extractor("fashion")


def test_names_say_which_network_looked(fashion):
    assert metrics.FID(fashion).title == "FD-fashion"
    assert metrics.KID(fashion).title == "KD-fashion"
    assert fashion.resizing_of((28, 28, 1)) == "none"
    assert fashion.resizing_of((32, 32, 3)) == "antialiased bilinear to 28x28"
