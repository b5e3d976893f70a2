"""Score records, their floor, `Evaluate`, `ganzoo evaluate` and `compare`."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tiny
from click.testing import CliRunner

import ganzoo
from ganzoo import callbacks, cli, evaluation, metrics, scores


@pytest.fixture(scope="module")
def fashion():
    return metrics.load_extractor("fashion")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with the preset of a conditional model, as `ganzoo train` leaves it."""
    folder = tmp_path_factory.mktemp("run")
    gan = tiny.make(ganzoo.CGAN, image_shape=(28, 28, 1), num_classes=10, ema_decay=0.5)
    gan.save_to_preset(folder / "preset", data="fashion_mnist_10k")
    return folder


def ganzoo_(*arguments):
    return CliRunner().invoke(cli.main, list(map(str, arguments)))


@pytest.fixture(scope="module")
def evaluated(run):
    """What `ganzoo evaluate` printed and wrote, twice."""
    results = [ganzoo_("evaluate", run, "--n", 120, "--seed", 3) for _ in range(2)]
    assert [result.exit_code for result in results] == [0, 0], results[0].output
    return results, scores.read(run / "scores.jsonl")


def test_evaluate_prints_and_appends_what_compare_needs(run, evaluated):
    results, records = evaluated
    assert len(records) == 14 and results[0].stdout == results[1].stdout
    assert records[:7] == records[7:]  # to the last digit
    lines = results[0].stdout.strip().splitlines()
    assert lines == [str(record) for record in records[:7]]
    assert [record.metric for record in records[:7]] == [
        f"{name}-fashion"
        for name in ("FD", "KD", "precision", "recall", "density", "coverage", "LF")
    ]
    line = lines[1]
    kid = records[1]
    assert line.startswith(f"KD-fashion {kid.value:.5g} [{kid.interval[0]:.4g}, ")
    for part in (
        f"floor {kid.floor:.5g} | 120 fakes of {run.name} (average, seed 3)",
        "against 120 of fashion_mnist_10k test | fashion",
        kid.extractor_sha256[:8],
        "resizing none",
        f"ganzoo {ganzoo.__version__}",
    ):
        assert part in line, part
    assert records[2].settings == {"k": 3} and records[2].n_real == records[2].n_fake == 120


def test_evaluate_scores_what_generate_draws(run, evaluated, fashion):
    model = ganzoo.from_preset(run / "preset")
    _, real, other = evaluation.real_sets(model, "fashion_mnist_10k", None, 120, {})
    fakes = model.generate(120, labels=real.labels, seed=3)
    metric = metrics.FID(fashion)
    assert float(metric(real.array, fakes)) == evaluated[1][0].value
    metric.reset_state()
    assert float(metric(real.array, other.array)) == evaluated[1][0].floor
    # garments are nearer to garments than what an untrained generator makes
    assert evaluated[1][0].floor < evaluated[1][0].value / 4
    assert evaluated[1][6].floor > 0.85  # the classifier on real images


@pytest.fixture
def reference(run, evaluated, fashion, tmp_path, monkeypatch):
    """A reference of the images that `evaluated` was scored against, and a preset that names it."""
    model = ganzoo.from_preset(run / "preset")
    _, real, _ = evaluation.real_sets(model, "fashion_mnist_10k", None, 120, {})
    path = tmp_path / "references" / "few.npz"
    floors = {"FD-fashion": (1.5, 7)}
    scores.Reference.write(path, real, fashion, floors, data="few garments", split="test")
    monkeypatch.setattr(ganzoo.presets, "home", lambda: tmp_path)
    model.save_to_preset(tmp_path / "named", reference="few")
    return tmp_path / "named"


def test_a_reference_stands_for_its_images(reference, evaluated):
    found = evaluation.evaluate(reference, names=["fid", "label_fidelity"], seed=3)
    score, images = found["fid"], evaluated[1][0]
    # other classes are asked for: in turn, where the images had theirs
    labels = np.arange(120) % 10
    fakes = ganzoo.from_preset(reference).generate(120, labels=labels, seed=3)
    model = ganzoo.from_preset(reference)
    _, real, _ = evaluation.real_sets(model, "fashion_mnist_10k", None, 120, {})
    wanted = float(metrics.FID("fashion")(real.array, fakes))
    np.testing.assert_allclose(score.value, wanted, rtol=1e-5)
    assert (score.floor, score.n_floor, score.data) == (1.5, 7, "few garments")
    assert not scores.differences(score, images)  # one protocol
    assert found["label_fidelity"].n_fake == 120


def test_a_reference_says_what_it_does_not_know(reference, fashion):
    for options, message in (
        ({"names": ["kid"]}, "needs the real images"),
        ({"n": 100}, r"n=100: the reference of few garments has n=120"),
        ({"split": "train"}, "split='train': the reference"),
        ({"extractor": "mnist"}, "is of the extractor fashion"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluation.evaluate(reference, **options)
    (reference.parent / "references" / "few.npz").unlink()
    with pytest.raises(FileNotFoundError, match="the reference 'few', which this ganzoo does not"):
        evaluation.evaluate(reference)


def test_other_protocols_are_not_compared(run, evaluated, tmp_path):
    record = evaluated[1][1]
    worse = dataclasses.replace(
        record,
        value=record.value + 100,
        interval=tuple(b + 100 for b in record.interval),
        model="other",
        seed=4,
    )
    line = scores.compare(record, worse)
    assert "difference +100, intervals apart" in line and "note: seed 3 | 4" in line
    assert "intervals overlap" in scores.compare(record, record)
    for field, value in (
        ("extractor_sha256", "0" * 64),
        ("resizing", "antialiased bilinear to 28x28"),
        ("n_fake", 500),
        ("split", "train"),
        ("real_sha256", "1" * 64),
        ("settings", {"k": 9}),
        ("metric", "KID"),
    ):
        with pytest.raises(ValueError, match=f"not comparable; they differ in {field}: "):
            scores.compare(record, dataclasses.replace(record, **{field: value}))
    scores.append(tmp_path / "a" / "scores.jsonl", [worse, record])
    scores.append(tmp_path / "b.jsonl", [dataclasses.replace(worse, n_real=7, n_fake=7)])
    assert scores.read(tmp_path / "a" / "scores.jsonl") == [worse, record]
    result = ganzoo_("compare", run, tmp_path / "b.jsonl")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1 and "n_real: 120 | 7; n_fake: 120 | 7" in result.stderr
    result = ganzoo_("compare", run, tmp_path / "a" / "scores.jsonl")
    assert result.exit_code == 0 and "(difference +0, intervals overlap)" in result.stdout


def test_places_without_scores_and_broken_files_are_named(run, tmp_path):
    (tmp_path / "scores.jsonl").write_text('{"metric": "FID"}\n')
    with pytest.raises(ValueError, match=r"scores.jsonl, line 1, is no score"):
        scores.read(tmp_path / "scores.jsonl")
    gan = tiny.make(ganzoo.FCGAN)
    gan.save_to_preset(tmp_path / "fresh")
    with pytest.raises(FileNotFoundError, match=r"no scores in .*fresh: run `ganzoo evaluate"):
        evaluation.compare(run, tmp_path / "fresh")
    (tmp_path / "unfinished" / "checkpoint").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"has no preset yet: finish the run"):
        evaluation.evaluate(tmp_path / "unfinished")
    for options, message in (
        (["--metrics", "fid,lpips"], "no metric 'lpips': want some of fid, kid"),
        (["--extractor", "vgg"], "extractor='vgg': want one of"),
        (["--data", tmp_path / "nowhere"], "nowhere"),
        (["--metrics", "fid", "-n", "1"], "FD-fashion needs 2 real images or more, and got 1"),
    ):
        result = ganzoo_("evaluate", run, *options)
        assert result.exit_code == 1 and message in result.stderr.splitlines()[-1]


def test_a_set_without_splits_is_cut_in_halves(run, garments):
    images, labels = garments
    model = ganzoo.from_preset(run / "preset")
    split, real, floor = evaluation.real_sets(model, (images[:101], labels[:101]), None, 100, {})
    assert (split, len(real), len(floor)) == ("test", 50, 50)
    rows = {image.tobytes() for image in images[:101]}
    assert {image.tobytes() for image in real.array} <= rows
    assert not {i.tobytes() for i in real.array} & {i.tobytes() for i in floor.array}
    assert len(real.labels) == len(floor.labels) == 50


@pytest.mark.parametrize(
    "cls",
    [
        pytest.param(cls, marks=() if cls is ganzoo.Pix2Pix else pytest.mark.slow)
        for cls in ganzoo.MODELS
    ],
)
def test_every_family_is_scored_on_what_it_makes(cls, tmp_path, tiny_images):
    model, (x, y) = tiny.make(cls), tiny.data(cls, tiny_images, 40)
    if cls.data_form == "captions":
        model.adapt(y)
    model.save_to_preset(tmp_path / "preset", data="arrays")
    x, y = x[:40], None if y is None else y[:40]
    made = evaluation.evaluate(
        tmp_path,
        x if y is None else (x, y),
        names=("psnr", "fid", "kid") if cls.data_form in ("pairs", "photos") else None,
        extractor="fashion",
        seed=5,
    )
    keys = {
        "images": {"fid", "kid", "precision", "recall", "density", "coverage"},
        "captions": {"fid", "kid", "precision", "recall", "density", "coverage"},
        "unpaired": {"fid", "kid"},
        "pairs": {"psnr", "fid", "kid"},
        "photos": {"psnr", "fid", "kid"},
    }
    assert set(made) == keys[cls.data_form]
    fid = made["fid"]
    assert (fid.n_real, fid.n_fake, fid.n_floor) == (20, 20, 20) and fid.floor > 0
    assert fid.seed == (5 if model.makes_with == "generate" else None)
    if cls.data_form == "pairs":  # by hand, of the same pairs
        loaded = ganzoo.from_preset(tmp_path / "preset")
        _, real, _ = evaluation.real_sets(loaded, (x, y), None, 40, {})
        mean = metrics.PSNR()(real.array, loaded.translate(real.sources))
        assert float(mean) == pytest.approx(made["psnr"].value, rel=1e-5)
        pairs = {target.tobytes(): source for source, target in zip(x, y, strict=True)}
        for source, target in zip(real.sources, real.array, strict=True):
            np.testing.assert_array_equal(source, pairs[target.tobytes()])


def test_metrics_of_pairs_are_refused_where_there_are_none(run):
    with pytest.raises(ValueError, match=r"psnr holds an image against .* CGAN has no such pairs"):
        evaluation.evaluate(run, names=["psnr"])


def test_the_extractor_suits_the_data():
    for spec, shape, name in (
        ("fashion_mnist_10k", (28, 28, 1), "fashion"),
        ("tfds:mnist", (32, 32, 1), "mnist"),
        ("tfds:fashion_mnist", (28, 28, 1), "fashion"),
        ("faces", (64, 64, 3), "lite0"),
    ):
        assert evaluation.suited(spec, shape) == name


def test_pairs_of_images_have_records_too(garments):
    real, fake = scores.Images(garments[0][:6]), scores.Images(garments[0][6:12])
    about = {"data": "x", "split": "test", "model": "m", "weights": "raw", "seed": None}
    made = scores.score([metrics.SSIM(), metrics.PSNR()], real, fake, **about)
    record = made["ssim"]
    assert record.extractor is None and record.floor is None and record.metric == "SSIM"
    assert str(record).startswith(f"SSIM {record.value:.5g} | 6 fakes of m")
    assert json.loads(json.dumps(dataclasses.asdict(record)))["n_real"] == 6


# The callback


def test_evaluate_puts_scores_into_logs_and_records(tmp_path, garments, fashion):
    images, labels = garments
    gan = tiny.make(ganzoo.CGAN, image_shape=(28, 28, 1), num_classes=10)
    watched = [
        metrics.FID(fashion),
        metrics.PrecisionRecall(fashion),
        metrics.LabelFidelity(fashion),
    ]
    held_out = images[100:220] / 127.5 - 1, labels[100:220]
    callback = callbacks.Evaluate(
        watched, held_out, every=2, path=tmp_path / "run" / "scores.jsonl"
    )
    history = gan.fit(
        images[:64], labels[:64], batch_size=32, epochs=4, verbose=0, callbacks=[callback]
    )
    logs = history.history
    assert len(logs["fid"]) == len(logs["recall"]) == 2 and len(logs["g_loss"]) == 4
    assert logs["fid"] == [s.value for s in callback.scores if s.metric == "FD-fashion"]
    assert scores.read(tmp_path / "run" / "scores.jsonl") == callback.scores
    last = callback.scores[-1]
    assert last.metric == "LF-fashion" and last.model == "CGAN at epoch 4" and last.n_fake == 120
    fakes = gan.generate(120, labels=labels[100:220], seed=0)
    assert float(metrics.FID(fashion)(images[100:220], fakes)) == logs["fid"][-1]
    # halves of the real images
    metric = metrics.FID(fashion)
    floor = float(metric(images[100:160], images[160:220]))
    assert callback.scores[0].floor == floor and callback.scores[0].n_floor == 60
    assert f"floor {floor:.5g} (of 60)" in str(callback.scores[0])


def test_evaluate_changes_no_training(garments, fashion):
    finals = []
    for watchers in ([], [callbacks.Evaluate(metrics.FID(fashion), garments[0][:20])]):
        keras.utils.set_random_seed(7)
        gan = tiny.make(ganzoo.FCGAN, image_shape=(28, 28, 1))
        gan.fit(garments[0][:64], batch_size=32, epochs=2, verbose=0, callbacks=watchers)
        finals.append(tiny.state(gan))
    assert tiny.same(*finals)


def test_evaluate_refuses_before_the_first_step(garments, fashion):
    images, labels = garments
    gan = tiny.make(ganzoo.CGAN, image_shape=(28, 28, 1), num_classes=10)
    with pytest.raises(ValueError, match="Evaluate takes metrics of sets"):
        callbacks.Evaluate(metrics.SSIM(), images)
    with pytest.raises(ValueError, match="every=0"):
        callbacks.Evaluate(metrics.FID(fashion), images, every=0)
    for data, message in (
        (images[:50], "images without labels"),
        ((images[:50, :20], labels[:50]), "this model makes"),
        ((images[:2], labels[:2]), "needs 2 real images or more, and got 1"),
    ):
        callback = callbacks.Evaluate(metrics.FID(fashion), data)
        with pytest.raises(ValueError, match=message):
            gan.fit(images[:32], labels[:32], batch_size=32, verbose=0, callbacks=[callback])
    assert int(gan.d_optimizer.iterations) == 0
    callback = callbacks.Evaluate(metrics.FID(fashion), images)
    callback.set_model(tiny.make(ganzoo.Pix2Pix))
    with pytest.raises(TypeError, match="Pix2Pix starts from images: give metrics to `compile`"):
        callback.on_train_begin()
