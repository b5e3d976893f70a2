"""`HealthMonitor` on the recorded runs of benchmarks/failures.py, and in real trainings."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ganzoo
from benchmarks import failures
from ganzoo.callbacks import HealthMonitor, health

RECORDS = {path.stem: failures.read(path.stem) for path in failures.RECORDS.glob("*.json")}
FAILURES = [name for name in RECORDS if not name.startswith("healthy")]


# What it says of recorded runs


def test_every_family_and_every_failure_is_recorded():
    assert set(RECORDS) == set(failures.RUNS)
    healthy = {r["family"] for r in RECORDS.values() if r["state"] == "healthy"}
    assert healthy == {cls.__name__ for cls in ganzoo.MODELS}
    assert {r["state"] for r in RECORDS.values()} == set(health.STATES)
    for name, record in RECORDS.items():
        run = failures.RUNS[name]
        assert (record["family"], record["state"], record["done"]) == (
            *(run.family, run.state, run.done),
        )


@pytest.mark.parametrize("family", [cls.__name__ for cls in ganzoo.MODELS])
def test_it_is_silent_on_healthy_runs(family):
    record = RECORDS[f"healthy_{family.lower()}"]
    assert failures.said(record) == ["healthy"] * len(record["rows"])


@pytest.mark.parametrize("name", FAILURES)
def test_it_names_each_failure(name):
    record = RECORDS[name]
    said = failures.said(record)
    assert failures.diagnosis(record) == record["state"]
    assert said.count(record["state"]) >= 2
    # from the first time on it is said of most epochs, and nothing else of the others
    later = said[said.index(record["state"]) :]
    assert later.count(record["state"]) > 0.8 * len(later)
    assert set(later) <= {record["state"], "healthy"}


def test_the_page_of_results_is_of_these_records():
    records = {name: RECORDS[name] for name in failures.RUNS}
    assert failures.TABLE.read_text() == failures.table(records)


@pytest.mark.parametrize("name", health.READS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_diverged(name, value):
    rows = [dict(row) for row in RECORDS["healthy_dcgan"]["rows"]]
    rows[-1][name] = value
    # diversity is NaN in batches of one image, and no sign of anything
    state = "healthy" if name == "diversity" else "diverged"
    assert health.judge(rows).state == state


def test_every_state_but_the_first_has_advice_that_the_loss_can_take():
    for cls in (ganzoo.FCGAN, ganzoo.WGANGP, ganzoo.SNGAN):
        model = tiny.make(cls)
        model.compile()
        assert health.advice("healthy", model) == []
        for state in health.STATES[1:]:
            options = health.advice(state, model)
            assert options
            assert model.loss.labelled or not any("label" in option for option in options)
    said = "; ".join(health.advice("D too strong", model))
    assert "d_steps=1" in said and "DiffAugment" in said  # SNGAN trains D five times
    said = "; ".join(health.advice("saturated", tiny_minimax()))
    assert "NonSaturating" in said and "label_smoothing" in said


def tiny_minimax():
    model = tiny.make(ganzoo.FCGAN)
    model.compile(loss=ganzoo.losses.Minimax())
    return model


# In training


class Shock(keras.callbacks.Callback):
    """Plain descent at a rate at which nothing survives, in some epochs."""

    def __init__(self, *epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        if epoch in self.epochs:
            for optimizer in self.model.optimizer.optimizers:
                optimizer.learning_rate = 1e20


def descending(rate=0.05):
    model = tiny.make(ganzoo.FCGAN)
    model.compile(keras.optimizers.SGD(rate, 0.5), keras.optimizers.SGD(rate, 0.5))
    return model


def fit(model, images, callbacks, epochs, **options):
    return model.fit(
        images[:64], batch_size=8, epochs=epochs, callbacks=callbacks, verbose=0, **options
    )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def weights(model):
    return [w.numpy() for w in model.weights]


class Keep(keras.callbacks.Callback):
    """The weights after each epoch."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(weights(self.model))


def test_it_goes_back_once_and_then_ends_the_run(tiny_images, tmp_path, capsys):
    model, keep = descending(), Keep()
    monitor = HealthMonitor(tmp_path / "health.jsonl", tmp_path / "logs", restore=True)
    history = fit(model, tiny_images, [Shock(2, 4), keep, monitor], 9)
    written = lines(tmp_path / "health.jsonl")
    assert [line["state"] for line in written] == [
        *("healthy", "healthy", "diverged", "healthy", "diverged")
    ]
    assert [line["action"] for line in written] == [None, None, "restored", None, "stopped"]
    assert len(history.epoch) == 5
    # the fourth epoch went on from the second's weights, at half the rate of then
    assert not np.isfinite(np.concatenate([w.ravel() for w in keep.weights[2]])).all()
    assert all(np.isfinite(w).all() for w in keep.weights[3])
    step = [np.abs(a - b).max() for a, b in zip(keep.weights[3], keep.weights[1], strict=True)]
    assert 0 < max(step) < 1
    # and the run ends with the weights of the last healthy epoch, the fourth
    assert tiny.same(weights(model), keep.weights[3])
    assert float(model.g_optimizer.learning_rate) == pytest.approx(0.05 / 4)

    printed = capsys.readouterr().out
    assert printed.count("diverged") == 2 and "Epoch 3: diverged" in printed
    assert "Went back" in printed and "Training ends here" in printed
    assert "Epoch 4: healthy" in printed and "Epoch 1" not in printed
    assert written[2]["logs"]["d_loss"] is None  # JSON has no NaN
    events = EventAccumulator(str(tmp_path / "logs" / "health")).Reload()
    plotted = [float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("health/state")]
    assert plotted == [0, 0, 5, 0, 5]
    text = events.Tensors("health")[2].tensor_proto.string_val[0].decode()
    assert text.startswith("diverged: ") and "lower rates" in text

    # a run taken up again has had its chance
    again = descending()
    monitor = HealthMonitor(tmp_path / "health.jsonl", restore=True)
    fit(again, tiny_images, [Shock(6), monitor], 9, initial_epoch=5)
    assert [line["action"] for line in lines(tmp_path / "health.jsonl")][5:] == [None, "stopped"]
    assert [line["epoch"] for line in lines(tmp_path / "health.jsonl")] == list(range(1, 8))


def test_without_orders_it_changes_nothing(tiny_images, tmp_path):
    models = [descending(), descending()]
    models[1].set_weights(models[0].get_weights())
    fit(models[0], tiny_images, [], 3)
    fit(models[1], tiny_images, [HealthMonitor(tmp_path / "h.jsonl", tmp_path / "logs")], 3)
    assert tiny.same(*map(tiny.state, models))
    diverged = fit(descending(), tiny_images, [Shock(1), HealthMonitor()], 4)
    assert len(diverged.epoch) == 4


def test_it_ends_a_game_that_stays_ill(tiny_images, capsys):
    """G does not move, and D learns its fakes by heart."""
    model = tiny.make(ganzoo.FCGAN)
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.Adam(3e-2))
    history = fit(model, tiny_images, [HealthMonitor(stop=3)], 40)
    assert 3 < len(history.epoch) < 40
    printed = capsys.readouterr().out
    assert printed.count("D too strong") == 3 and printed.count("Training ends here") == 1
    assert "label_smoothing=0.1" in printed and "g_steps=2" in printed


def test_a_schedule_is_left_to_itself(tiny_images):
    model = tiny.make(ganzoo.FCGAN)
    decay = keras.optimizers.schedules.PiecewiseConstantDecay([16, 24], [0.01, 1e20, 0.01])
    model.compile(keras.optimizers.SGD(0.02), keras.optimizers.SGD(decay))
    history = fit(model, tiny_images, [HealthMonitor(restore=True)], 6)
    assert len(history.epoch) == 4  # the schedule does it again
    assert all(np.isfinite(w).all() for w in weights(model))


# Refusals


def test_it_refuses_what_it_cannot_read_or_write(tiny_images, tmp_path):
    with pytest.raises(ValueError, match=r"writes a \.jsonl, got '.*health.csv'"):
        HealthMonitor(tmp_path / "health.csv")
    with pytest.raises(ValueError, match="stop=0: want a whole number, 1 or more"):
        HealthMonitor(stop=0)
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    plain.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"reads d_loss, g_loss, .* Sequential does not report"):
        plain.fit(np.ones((4, 2)), np.ones(4), callbacks=[HealthMonitor()], verbose=0)
    broken = tmp_path / "health.jsonl"
    for text in ("epoch,state\n1,healthy\n", "[1, 2]\n", '{"epoch": 1}\n'):
        broken.write_text(text)
        with pytest.raises(ValueError, match=r"is not a record of health"):
            fit(descending(), tiny_images, [HealthMonitor(broken)], 1)
    broken.unlink()
    broken.mkdir()
    with pytest.raises(IsADirectoryError, match=r"health\.jsonl"):
        fit(descending(), tiny_images, [HealthMonitor(broken)], 1)
