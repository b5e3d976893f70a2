"""`ganzoo.callbacks` on real trainings of a tiny FCGAN; what they write is read back."""

import contextlib
import csv
import json
import re
import resource

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ganzoo
from ganzoo import callbacks, images
from ganzoo.callbacks.curves import Curves
from ganzoo.callbacks.grids import great_circle

REAL = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
SMALL = {"latent_dim": 4, "generator_units": (8,), "discriminator_units": (8,)}


def tiny(image_shape=(8, 8, 1), rate=1e-2, **options):
    keras.utils.set_random_seed(7)
    model = ganzoo.FCGAN(image_shape=image_shape, seed=3, **SMALL, **options)
    model.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate))
    return model


def fit(model, callback, epochs, **options):
    return model.fit(REAL, batch_size=4, epochs=epochs, callbacks=callback, verbose=0, **options)


def epochs_by_hand(model, callback, epochs, logs=None):
    """The calls that `fit` makes, without training."""
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, logs)
    callback.on_train_end()


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def frames(path):
    with Image.open(path) as gif:
        return gif.n_frames


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def cells(picture, n, columns, height=8, width=8):
    """The images of a grid with two pixels between, by the rule that the class documents."""
    return np.stack(
        [
            picture[2 + y * (height + 2) :, 2 + x * (width + 2) :][:height, :width]
            for y, x in (divmod(i, columns) for i in range(n))
        ]
    )


class Classes(ganzoo.GAN):
    """A conditional GAN with nothing to learn: class k is the grey level -1 + k / 2."""

    num_classes, image_shape, latent_dim = 3, (8, 8, 1), 4

    def __init__(self):
        latents, labels = keras.Input((4,)), keras.Input((), dtype="int32")
        level = keras.layers.Rescaling(0.5, -1)(keras.layers.Reshape((1, 1, 1))(labels))
        plain = keras.layers.UpSampling2D(8)(level)
        pictures, classes = keras.Input((8, 8, 1)), keras.Input((), dtype="int32")
        mean = keras.layers.GlobalAveragePooling2D()(pictures)
        shift = keras.layers.Rescaling(10.0)(keras.layers.Reshape((1,))(classes))
        verdict = keras.layers.Add()([mean, shift])
        super().__init__(
            {
                "generator": keras.Model([latents, labels], plain),
                "discriminator": keras.Model([pictures, classes], verdict),
            }
        )

    def sampling_inputs(self, n, labels, seed, truncation):
        return [ops.zeros((n, 4)), ops.convert_to_tensor(labels)]


class Blinded(keras.layers.Layer):
    """A discriminator layer whose verdict is the brightness, and NaN or infinite in the dark."""

    def call(self, pictures):
        mean = ops.mean(pictures, axis=(1, 2))
        return ops.where(mean > 0, mean, ops.where(mean < -0.5, float("inf"), float("nan")))


class Broken(keras.callbacks.Callback):
    """Ends a run in the middle of the epoch of this index, as a power cut would."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


# ImageGrid


def test_image_grid_writes_a_picture_an_epoch_and_the_animation(tmp_path):
    model = tiny(ema_decay=0.5)
    fit(model, callbacks.ImageGrid(tmp_path / "run" / "samples", n=5, seed=11), 3)
    folder = tmp_path / "run" / "samples"
    assert files(tmp_path / "run") == [
        "samples.gif",
        *(f"samples/epoch_000{i}.png" for i in (1, 2, 3)),
    ]
    assert frames(tmp_path / "run" / "samples.gif") == 3
    shown = cells(pixels(folder / "epoch_0003.png")[..., None], 5, 3)
    np.testing.assert_array_equal(shown, model.generate(5, seed=11))
    first, last = (pixels(folder / f"epoch_000{i}.png") for i in (1, 3))
    assert first.shape == (22, 32) and (first != last).any()


def test_the_latents_are_the_same_in_every_picture(tmp_path):
    fit(tiny(rate=0.0), callbacks.ImageGrid(tmp_path / "samples", n=4, gif=False), 2)
    assert files(tmp_path) == ["samples/epoch_0001.png", "samples/epoch_0002.png"]
    one, two = (pixels(tmp_path / name) for name in files(tmp_path))
    np.testing.assert_array_equal(one, two)
    other = callbacks.ImageGrid(tmp_path / "other", n=4, seed=1, gif=False)
    epochs_by_hand(tiny(rate=0.0), other, 1)
    assert (pixels(tmp_path / "other" / "epoch_0001.png") != one).any()


@pytest.mark.parametrize(("every", "drawn"), [(2, [2, 4]), (5, [5]), (6, [])])
def test_every(tmp_path, every, drawn):
    grid = callbacks.ImageGrid(tmp_path / "samples", n=1, every=every)
    epochs_by_hand(tiny(), grid, 5)
    expected = [f"samples/epoch_000{i}.png" for i in drawn]
    assert files(tmp_path) == (["samples.gif"] if drawn else []) + expected


@pytest.mark.parametrize("shape", [(8, 8, 1), (5, 7, 3), (6, 3, 4)])
def test_any_shape_and_channels(tmp_path, shape):
    model = tiny(shape)
    for callback in (
        callbacks.ImageGrid(tmp_path / "samples", n=3, tensorboard=tmp_path / "logs"),
        callbacks.Interpolation(tmp_path / "walks", rows=2, columns=3, every=1),
        callbacks.Verdicts(tmp_path / "logs", np.zeros((3, *shape), np.uint8)),
    ):
        epochs_by_hand(model, callback, 1)
    picture = pixels(tmp_path / "samples" / "epoch_0001.png").reshape(
        2 * shape[0] + 6, 2 * shape[1] + 6, shape[2]
    )
    np.testing.assert_array_equal(cells(picture, 3, 2, *shape[:2]), model.generate(3, seed=0))
    np.testing.assert_array_equal(cells(picture, 4, 2, *shape[:2])[3], 255)
    assert frames(tmp_path / "samples.gif") == 1
    with Image.open(tmp_path / "walks" / "epoch_0001.png") as walks:
        assert walks.size == (3 * shape[1] + 8, 2 * shape[0] + 6)


def test_a_folder_named_by_a_dot_has_its_animation_beside_it(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    epochs_by_hand(tiny(), callbacks.ImageGrid(".", n=1), 1)
    assert files(tmp_path) == ["here.gif", "here/epoch_0001.png"]


def test_classes_fill_columns(tmp_path):
    epochs_by_hand(Classes(), callbacks.ImageGrid(tmp_path / "all", n=9), 1)
    picture = pixels(tmp_path / "all" / "epoch_0001.png")[..., None]
    levels = cells(picture, 9, 3)[:, 4, 4, 0].tolist()
    assert levels == [0, 64, 128] * 3  # (level + 1) * 127.5, rounded to even
    given = callbacks.ImageGrid(tmp_path / "given", n=4, labels=[2, 2, 0, 1])
    epochs_by_hand(Classes(), given, 1)
    picture = pixels(tmp_path / "given" / "epoch_0001.png")[..., None]
    assert cells(picture, 4, 2)[:, 4, 4, 0].tolist() == [128, 128, 0, 64]


@pytest.mark.parametrize(
    ("classes", "n", "columns"), [(10, 64, 10), (2, 64, 8), (3, 9, 3), (1, 4, 2), (1000, 64, 8)]
)
def test_columns_hold_one_class_where_that_is_near_square(tmp_path, classes, n, columns):
    model = Classes()
    model.num_classes = classes
    epochs_by_hand(model, callbacks.ImageGrid(tmp_path / "samples", n=n), 1)
    assert pixels(tmp_path / "samples" / "epoch_0001.png").shape[1] == columns * 10 + 2


# Runs are the same with and without callbacks, and after a resume


def all_callbacks(run):
    return [
        callbacks.ImageGrid(run / "samples", n=4, tensorboard=run / "logs"),
        callbacks.Interpolation(run / "walks", rows=2, columns=3, every=1),
        callbacks.LossCurves(run / "losses.png"),
        callbacks.CSVHistory(run / "history.csv"),
        callbacks.Verdicts(run / "logs", REAL[:6]),
    ]


def test_training_is_bit_for_bit_the_same_with_all_callbacks(tmp_path):
    bare, watched = tiny(dropout=0.5), tiny(dropout=0.5)
    fit(bare, None, 2)
    fit(watched, all_callbacks(tmp_path), 2)
    assert len(bare.variables) == len(watched.variables)
    for one, two in zip(bare.variables, watched.variables, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=one.path)  # seed states are among them
    assert any(v.name == "seed_generator_state" for v in bare.variables)


def test_drawing_moves_no_seed(tmp_path):
    model = tiny(dropout=0.5)
    before = [np.array(v) for v in model.variables]
    for callback in all_callbacks(tmp_path):
        epochs_by_hand(model, callback, 1, {"d_loss": 1.0})
    for then, now in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(then, now, err_msg=now.path)


def test_a_run_broken_between_row_and_backup_is_continued(tmp_path):
    backup = [keras.callbacks.BackupAndRestore(tmp_path / "backup")]
    with contextlib.suppress(KeyboardInterrupt):  # rows and pictures of epoch 4, backup of 3
        fit(tiny(), [*all_callbacks(tmp_path), Broken(3), *backup], 6)
    old = table(tmp_path / "history.csv")
    assert [row["epoch"] for row in old] == ["1", "2", "3", "4"]
    assert not (tmp_path / "samples.gif").exists()
    fit(tiny(), [*all_callbacks(tmp_path), *backup], 6)
    rows = table(tmp_path / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert rows[:3] == old[:3]
    drawn = json.loads(images.read_text(tmp_path / "losses.png", "ganzoo_history"))
    assert [row["epoch"] for row in drawn] == [1, 2, 3, 4, 5, 6]
    for name in ("d_loss", "g_loss", "d_real", "d_fake"):
        np.testing.assert_allclose(
            [row[name] for row in drawn], [float(row[name]) for row in rows], rtol=1e-6
        )
    names = [f"epoch_000{i}.png" for i in range(1, 7)]
    assert files(tmp_path / "samples") == names
    with Image.open(tmp_path / "samples.gif") as gif:
        assert gif.n_frames == 6
        for i, name in enumerate(names):
            gif.seek(i)
            shown = np.asarray(gif.convert("L"))
            np.testing.assert_array_equal(shown, pixels(tmp_path / "samples" / name))


def test_the_animation_leaves_out_pictures_of_another_run(tmp_path):
    grid = callbacks.ImageGrid(tmp_path / "samples", n=1)
    fit(tiny(), grid, 4)
    fit(tiny(), grid, 3, initial_epoch=2)  # goes back behind epoch 4
    assert frames(tmp_path / "samples.gif") == 3
    fit(tiny(), grid, 1)  # begins anew
    assert frames(tmp_path / "samples.gif") == 1
    assert len(files(tmp_path / "samples")) == 4  # nothing of the user's is deleted


def test_a_finished_run_gets_the_animation_it_was_broken_before(tmp_path):
    grid = callbacks.ImageGrid(tmp_path / "samples", n=1)
    fit(tiny(), grid, 2)
    (tmp_path / "samples.gif").unlink()
    fit(tiny(), grid, 2, initial_epoch=2)
    assert frames(tmp_path / "samples.gif") == 2


def test_steps_per_execution_changes_nothing(tmp_path):
    model = tiny()
    model.compile("sgd", "sgd", steps_per_execution=2)
    fit(model, all_callbacks(tmp_path), 2)  # 5 steps an epoch, in 3 executions
    assert files(tmp_path / "samples") == ["epoch_0001.png", "epoch_0002.png"]
    assert len(table(tmp_path / "history.csv")) == 2


# LossCurves and CSVHistory


def test_history_holds_what_fit_returns(tmp_path):
    model = tiny(rate=1e-2)
    history = fit(
        model,
        callbacks.CSVHistory(tmp_path / "history.csv"),
        4,
        validation_data=REAL[:8],
        validation_freq=2,
    ).history
    rows = table(tmp_path / "history.csv")
    columns = list(rows[0])
    assert columns[0] == "epoch" and {"d_loss", "g_loss", "val_d_loss"} < set(columns)
    for name, values in history.items():
        written = [float(row[name]) for row in rows if row[name]]
        np.testing.assert_allclose(written, values, rtol=1e-6, err_msg=name)
    assert [row["val_d_loss"] == "" for row in rows] == [True, False, True, False]
    assert {row["g_learning_rate"] for row in rows} == {"0.01"}


def test_history_keeps_its_columns_when_a_log_is_missing(tmp_path):
    history = callbacks.CSVHistory(tmp_path / "history.csv")
    epochs_by_hand(tiny(), history, 1, {"b": 1.0, "a": float("nan")})
    history.on_epoch_begin(1)
    history.on_epoch_end(1, {"c": float("inf"), "b": 2.5})
    text = (tmp_path / "history.csv").read_text().splitlines()
    rate = ",0.01,0.01"
    assert text == [
        "epoch,b,a,g_learning_rate,d_learning_rate,c",
        "1,1.0,nan" + rate + ",",
        "2,2.5," + rate + ",inf",
    ]


def test_history_refuses_another_table(tmp_path):
    (tmp_path / "history.csv").write_text("name,size\na,3\n")
    with pytest.raises(ValueError, match=r"history\.csv.*column `epoch`"):
        fit(tiny(), callbacks.CSVHistory(tmp_path / "history.csv"), 1)
    assert (tmp_path / "history.csv").read_text() == "name,size\na,3\n"


def color_share(picture, color):
    return (np.abs(picture.astype(int) - color).max(-1) < 40).mean()


BLUE, ORANGE = (31, 119, 180), (255, 127, 14)


def test_curves_are_drawn_again_every_epoch(tmp_path):
    curves = callbacks.LossCurves(tmp_path / "losses.png")
    model = tiny()
    fit(model, curves, 1)
    first = pixels(tmp_path / "losses.png")
    assert first.shape == (640, 800, 3)
    fit(model, curves, 3, initial_epoch=1, validation_data=REAL[:4])
    last = pixels(tmp_path / "losses.png")
    assert files(tmp_path) == ["losses.png"]
    assert (first != last).any()
    for panel in (np.s_[30:300], np.s_[330:590]):
        for color in (BLUE, ORANGE):
            assert color_share(last[panel], color) > color_share(first[panel], color) > 0


def test_a_curve_lies_where_its_numbers_are():
    rows = [{"epoch": k, "d_loss": 0.0, "g_loss": 1.0} for k in (1, 2, 3)]
    above = Curves().draw(rows)[30:300]  # below the legend
    heights = [
        np.nonzero((np.abs(above.astype(int) - color).max(-1) < 40).sum(1) > 300)[0]
        for color in (ORANGE, BLUE)
    ]
    assert all(len(rows) for rows in heights)
    # Matplotlib leaves 5 % of the range above and below: 1 lies at 1/22 of the panel, 0 at 21/22
    top, bottom = (float(np.mean(rows)) for rows in heights)
    np.testing.assert_allclose(bottom - top, (640 * 0.87 / 2.15) * 20 / 22, rtol=0.02)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_losses_that_are_not_finite_leave_a_gap(tmp_path, value):
    curves = callbacks.LossCurves(tmp_path / "losses.png")
    logs = {"d_loss": value, "g_loss": 1.0, "d_real": value, "d_fake": value, "val_d_loss": value}
    epochs_by_hand(tiny(), curves, 3, logs)
    picture = pixels(tmp_path / "losses.png")
    assert color_share(picture[30:300], ORANGE) > 0
    epochs_by_hand(tiny(), curves, 1, {})  # nothing to draw
    assert color_share(pixels(tmp_path / "losses.png"), ORANGE) == 0


def test_a_picture_of_another_kind_does_not_stop_the_curves(tmp_path):
    images.save(tmp_path / "losses.png", REAL[0])
    fit(tiny(), callbacks.LossCurves(tmp_path / "losses.png"), 2, initial_epoch=1)
    drawn = json.loads(images.read_text(tmp_path / "losses.png", "ganzoo_history"))
    assert [row["epoch"] for row in drawn] == [2]


# Interpolation


def test_great_circle():
    x, y = np.eye(2)
    for share in (0, 0.25, 0.5, 1):  # unit vectors at a right angle: the angle grows evenly
        angle = share * np.pi / 2
        expected = [np.cos(angle), np.sin(angle)]
        np.testing.assert_allclose(great_circle(x, y, share), expected, atol=1e-7)
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    for share in np.linspace(0, 1, 5):  # equal norms are kept, 1e-6 in float32
        norm = np.linalg.norm(great_circle(a, b, share))
        np.testing.assert_allclose(norm, np.linalg.norm(a), rtol=1e-6)
    np.testing.assert_allclose(great_circle(a, b, 0), a, rtol=1e-6)
    np.testing.assert_allclose(great_circle(a, b, 1), b, rtol=1e-6)
    np.testing.assert_allclose(great_circle(a, a, 0.3), a, rtol=1e-6)
    np.testing.assert_allclose(great_circle(a, -a, 0.25), a / 2, rtol=1e-6)


def test_interpolation_walks_between_the_generators_images(tmp_path):
    model = tiny()
    walks = callbacks.Interpolation(tmp_path / "walks", rows=3, columns=5, every=2, seed=4)
    fit(model, walks, 5)
    assert files(tmp_path) == ["walks/epoch_0002.png", "walks/epoch_0004.png"]
    epochs_by_hand(model, walks, 2)
    shown = cells(pixels(tmp_path / "walks" / "epoch_0002.png")[..., None], 15, 5)
    shown = shown.reshape(3, 5, 8, 8, 1).astype(int)
    starts, ends = (model.generate(3, seed=seed).astype(int) for seed in (4, 5))
    # one level: batches of another size may round differently
    np.testing.assert_allclose(shown[:, 0], starts, atol=1)
    np.testing.assert_allclose(shown[:, -1], ends, atol=1)
    middle = [
        great_circle(a, b, 0.5)
        for a, b in zip(
            *(model.sampling_inputs(3, None, seed, None)[0] for seed in (4, 5)), strict=True
        )
    ]
    expected = (np.asarray(model(np.stack(middle))) + 1) * 127.5
    np.testing.assert_allclose(shown[:, 2], expected, atol=1)


def test_interpolation_of_classes(tmp_path):
    walks = callbacks.Interpolation(tmp_path, rows=3, columns=2, every=1, labels=[2, 0, 1])
    model = Classes()
    model.sampling_inputs = lambda n, labels, seed, _: [
        ops.eye(n, 4, k=seed),  # zero latents would have no angle
        ops.convert_to_tensor(labels),
    ]
    epochs_by_hand(model, walks, 1)
    shown = cells(pixels(tmp_path / "epoch_0001.png")[..., None], 6, 2)
    assert shown[:, 4, 4, 0].tolist() == [128, 128, 0, 0, 64, 64]


# TensorBoard


def events(folder):
    read = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    read.Reload()
    return read


def test_tensorboard_has_pictures_histograms_and_keras_scalars(tmp_path):
    logs, model = tmp_path / "logs", tiny()
    fit(
        model,
        [
            keras.callbacks.TensorBoard(logs),
            callbacks.ImageGrid(tmp_path / "samples", n=4, every=2, tensorboard=logs),
            callbacks.Verdicts(logs, REAL[:6], seed=5),
        ],
        4,
    )
    runs = ["samples", "train", "verdicts"]
    assert [path.name for path in sorted(logs.iterdir())] == runs
    # TensorBoard follows one growing file in a folder
    assert all(len(list((logs / run).glob("events*"))) == 1 for run in runs)
    pictures = events(logs / "samples").Tensors("samples")
    assert [event.step for event in pictures] == [1, 3]  # as Keras counts epochs, from 0
    for event in pictures:
        width, height, png = event.tensor_proto.string_val
        path = tmp_path / "samples" / f"epoch_000{event.step + 1}.png"
        assert (int(width), int(height)) == (22, 22)
        (tmp_path / "shown.png").write_bytes(png)
        np.testing.assert_array_equal(pixels(tmp_path / "shown.png"), pixels(path))
    assert "epoch_d_loss" in events(logs / "train").Tags()["tensors"]
    shown = {"real": REAL[:6], "fake": model.generate(6, seed=5)}
    for name, batch in shown.items():
        history = events(logs / "verdicts").Tensors(f"verdicts/{name}")
        assert [event.step for event in history] == [0, 1, 2, 3]
        buckets = np.frombuffer(history[-1].tensor_proto.tensor_content).reshape(-1, 3)
        verdicts = np.asarray(model.discriminator(batch / np.float32(127.5) - 1))
        assert buckets[:, 2].sum() == 6  # rows are low edge, high edge, count
        np.testing.assert_allclose(
            [buckets[0, 0], buckets[-1, 1]], [verdicts.min(), verdicts.max()], rtol=1e-4
        )


def test_tensorboard_sees_an_epoch_while_training_goes_on(tmp_path):
    grid = callbacks.ImageGrid(tmp_path / "samples", n=1, tensorboard=tmp_path)
    for callback in (grid, callbacks.Verdicts(tmp_path, REAL[:2])):
        callback.set_model(tiny())
        callback.on_train_begin()
        callback.on_epoch_begin(0)
        callback.on_epoch_end(0)
    assert len(events(tmp_path / "samples").Tensors("samples")) == 1
    assert len(events(tmp_path / "verdicts").Tensors("verdicts/fake")) == 1


def test_verdicts_of_a_conditional_discriminator(tmp_path):
    labels = np.array([0, 1, 2, 2])
    reals = np.full((4, 8, 8, 1), 255, np.uint8)
    epochs_by_hand(Classes(), callbacks.Verdicts(tmp_path, (reals, labels)), 1)
    # D says mean + 10 * label: 1 for the white reals, -1 + label / 2 for the fakes
    for name, low, high in (("real", 1, 21), ("fake", -1, 20)):
        (event,) = events(tmp_path / "verdicts").Tensors(f"verdicts/{name}")
        buckets = np.frombuffer(event.tensor_proto.tensor_content).reshape(-1, 3)
        assert buckets[:, 2].sum() == 4
        np.testing.assert_allclose([buckets[0, 0], buckets[-1, 1]], [low, high], atol=0.02)


def test_verdicts_that_are_not_finite_are_left_out(tmp_path):
    model = tiny((2, 2, 1), discriminator=keras.Sequential([keras.Input((2, 2, 1)), Blinded()]))
    reals = np.arange(0, 250, 50, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1))
    verdicts = callbacks.Verdicts(tmp_path, reals.astype(np.uint8))
    epochs_by_hand(model, verdicts, 1)
    (event,) = events(tmp_path / "verdicts").Tensors("verdicts/real")
    buckets = np.frombuffer(event.tensor_proto.tensor_content).reshape(-1, 3)
    assert buckets[:, 2].sum() == 2  # 150 and 200 of 0, 50, 100, 150, 200
    np.testing.assert_allclose(
        [buckets[0, 0], buckets[-1, 1]], [150 / 127.5 - 1, 200 / 127.5 - 1], atol=1e-5
    )


# Bad input, told before the first step


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: callbacks.ImageGrid("x", n=0), "n=0: want a whole number, 1 or more"),
        (lambda: callbacks.ImageGrid("x", n=2.5), "n=2.5: want a whole number"),
        (lambda: callbacks.ImageGrid("x", every=0), "every=0"),
        (lambda: callbacks.ImageGrid("x", n=3, labels=[1, 2]), "2 labels for n=3"),
        (lambda: callbacks.Interpolation("x", rows=0), "rows=0"),
        (lambda: callbacks.Interpolation("x", columns=1), "columns=1: want a whole number, 2"),
        (lambda: callbacks.Interpolation("x", every=-1), "every=-1"),
        (lambda: callbacks.Interpolation("x", rows=3, labels=[1]), "1 labels for rows=3"),
        (lambda: callbacks.LossCurves("losses.jpg"), ".png, got 'losses.jpg'"),
    ],
)
def test_arguments_are_refused(make, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make()


@pytest.mark.parametrize(
    ("make", "model", "error", "words"),
    [
        (lambda p: callbacks.ImageGrid(p, n=2, labels=[0, 3]), Classes, ValueError, "[0, 2]"),
        (lambda p: callbacks.ImageGrid(p, n=1, labels=[0]), tiny, ValueError, "no classes"),
        (callbacks.ImageGrid, keras.Sequential, TypeError, "`generate`, which Sequential"),
        (callbacks.Interpolation, keras.Sequential, TypeError, "`generate`"),
        (lambda p: callbacks.Verdicts(p, REAL), keras.Sequential, TypeError, "`generate`"),
        (lambda p: callbacks.Verdicts(p, REAL[:, :4]), tiny, ValueError, "(20, 4, 8, 1)"),
        (lambda p: callbacks.Verdicts(p, REAL * 1.0), tiny, ValueError, "[-1, 1]"),
        (lambda p: callbacks.Verdicts(p, REAL), Classes, ValueError, "without labels"),
        (lambda p: callbacks.Verdicts(p, (REAL, [0])), Classes, ValueError, "1 labels for 20"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_at_the_start(tmp_path, make, model, error, words):
    callback = make(tmp_path / "out")
    callback.set_model(model())
    with pytest.raises(error) as raised:
        callback.on_train_begin()
    assert words in str(raised.value) and "\n" not in str(raised.value)
    assert files(tmp_path) == []


class Captions(ganzoo.FCGAN):
    """A family that cannot draw from a seed alone."""

    def sampling_inputs(self, n, labels, seed, truncation):
        raise ValueError("want captions")


@pytest.mark.parametrize("make", [callbacks.ImageGrid, callbacks.Interpolation])
def test_what_generate_refuses_is_told_before_the_first_step(tmp_path, make):
    model = Captions(image_shape=(8, 8, 1), **SMALL)
    before = [np.asarray(weight) for weight in model.weights]
    with pytest.raises(ValueError, match="want captions"):
        fit(model, make(tmp_path / "out"), 1)
    for then, now in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(then, now)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: callbacks.ImageGrid(path, n=1),
        lambda path: callbacks.ImageGrid(path / "below", n=1),
        lambda path: callbacks.ImageGrid(path.parent / "a", n=1, tensorboard=path),
        lambda path: callbacks.Interpolation(path),
        lambda path: callbacks.LossCurves(path / "losses.png"),
        lambda path: callbacks.CSVHistory(path / "history.csv"),
        lambda path: callbacks.Verdicts(path, REAL),
    ],
)
def test_a_file_where_a_folder_should_be(tmp_path, make):
    (tmp_path / "taken").write_text("something else")
    callback = make(tmp_path / "taken")
    callback.set_model(tiny())
    with pytest.raises(NotADirectoryError, match=r"taken.*choose another path"):
        callback.on_train_begin()
    assert (tmp_path / "taken").read_text() == "something else"


@pytest.mark.parametrize("make", [callbacks.LossCurves, callbacks.CSVHistory])
def test_a_folder_where_a_file_should_be(tmp_path, make):
    (tmp_path / "taken.png").mkdir()
    callback = make(tmp_path / "taken.png")
    with pytest.raises(IsADirectoryError, match=r"taken\.png.*should be a file"):
        callback.on_train_begin()


def test_a_disk_that_fills_up_is_named_and_the_old_file_stays(tmp_path):
    history = callbacks.CSVHistory(tmp_path / "history.csv")
    epochs_by_hand(tiny(), history, 1, {"d_loss": 1.0})
    old = (tmp_path / "history.csv").read_text()
    history.on_epoch_begin(1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    try:
        with pytest.raises(OSError, match=r"history\.csv"):
            history.on_epoch_end(1, {"d_loss": 2.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "history.csv").read_text() == old
    assert files(tmp_path) == ["history.csv"]
