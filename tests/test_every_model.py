"""The battery: what the contract promises of every family. A new family is tested by being listed
in `ganzoo.MODELS` and given a tiny size in `tiny.py`."""

import dataclasses
import io
import json
import pathlib
import re
import sys

import by_hand
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import ops

import ganzoo

# of the module's scope, so that the tests of a family stand together and share its trained model
pytestmark = pytest.mark.parametrize(
    "cls", ganzoo.MODELS, ids=lambda cls: cls.__name__, scope="module"
)


def sgd(rate=0.01):
    """Arguments of compile that make differences visible and proportional to gradients. The rate is
    small, because batch normalisation of few examples magnifies rounding at every step."""
    return {player: keras.optimizers.SGD(rate) for player in ("g_optimizer", "d_optimizer")}


def few(cls):
    """At most two of the recipe's D updates a step, each of which takes long to trace."""
    return {"d_steps": min(2, cls.recipe["d_steps"])}


def fit(model, data, epochs=1, batch_size=16, **kwargs):
    x, y = data
    return model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, **kwargs).history


@dataclasses.dataclass
class Trained:
    """A model after two epochs under stock callbacks, and what was written down then."""

    model: ganzoo.GAN
    data: tuple
    history: dict
    folder: pathlib.Path


def with_stock_callbacks(model, data, folder):
    """Two epochs with validation, a schedule, TensorBoard and the best weights; the history."""
    x, y = data
    callbacks = [
        # small beside WGAN's limit of 0.01, to which larger steps would press whole layers
        keras.callbacks.LearningRateScheduler(lambda epoch: 1e-4 / (epoch + 1)),
        keras.callbacks.TensorBoard(folder / "logs", write_steps_per_second=True),
        keras.callbacks.ModelCheckpoint(
            folder / "best.weights.h5",
            monitor="val_loss",
            save_best_only=True,
            save_weights_only=True,
        ),
    ]
    validation = x if y is None else (x, y)
    return fit(model, data, epochs=2, callbacks=callbacks, validation_data=validation)


@pytest.fixture(scope="module")
def written(cls, tiny_images, tmp_path_factory):
    folder = tmp_path_factory.mktemp(cls.__name__)
    keras.utils.set_random_seed(7)
    model, data = tiny.make(cls), tiny.data(cls, tiny_images)
    if cls.recipe["d_steps"] > 2:  # the others compile themselves
        model.compile(**few(cls))
    history = with_stock_callbacks(model, data, folder)
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    return Trained(model, data, history, folder)


@pytest.fixture
def trained(written):
    """The family's trained model as it was written, whatever a test before did to it."""
    written.model.load_weights(written.folder / "model.weights.h5")
    return written


@pytest.fixture
def still_noise(monkeypatch):
    """All noise is the same in every replica, so that runs differ only by what is compared."""
    by_hand.fix_draws(monkeypatch)


def test_is_what_its_sign_says(cls):
    assert "train_step" in vars(cls)
    assert issubclass(cls, ganzoo.GAN) and getattr(ganzoo, cls.__name__) is cls
    assert keras.saving.get_registered_name(cls) == f"ganzoo>{cls.__name__}"
    module = sys.modules[cls.__module__]
    assert re.search(r"https://arxiv\.org/abs/\d+\.\d+", cls.__doc__)
    assert re.search(r"\b20[12]\d\b", module.__doc__) and "https://" in module.__doc__


def test_configuration_survives_json(cls):
    model = tiny.make(cls, dtype="mixed_bfloat16", name="pet")
    config = json.loads(json.dumps(model.get_config()))
    again = cls.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    for name, value in tiny.CONFIGS[cls.__name__].items():
        assert getattr(model, name) == value, name
        assert name in config
    assert again.dtype_policy.name == "mixed_bfloat16" and again.name == "pet"
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


def test_trains_under_stock_callbacks(cls, trained):
    model, history = trained.model, trained.history
    validation = {name for name in history if name.startswith("val_")}
    rates = {f"learning_rate_{player}_optimizer" for player in cls.players}
    assert set(history) == {*cls.reports, "loss", *validation, *rates}
    assert {"val_d_loss", "val_g_loss", "val_loss"} <= validation
    assert np.isfinite([value for values in history.values() for value in values]).all()
    np.testing.assert_allclose(
        history["loss"], np.add(history["d_loss"], history["g_loss"]), rtol=1e-5
    )
    rounds = 2 * (len(trained.data[0]) // (16 * model.d_steps))
    assert int(model.g_optimizer.iterations) == rounds * model.g_steps
    assert int(model.d_optimizer.iterations) == rounds * model.d_steps
    for player in cls.players:
        rate = float(getattr(model, f"{player}_optimizer").learning_rate)
        assert rate == pytest.approx(5e-5, rel=1e-6)
    model.load_weights(trained.folder / "best.weights.h5")


def test_saves_loads_and_goes_on(cls, trained):
    loaded = keras.saving.load_model(trained.folder / "model.keras")
    assert type(loaded) is cls and tiny.same(tiny.state(trained.model), tiny.state(loaded))
    assert fit(trained.model, trained.data) == fit(loaded, trained.data)
    assert tiny.same(tiny.state(trained.model), tiny.state(loaded))


def test_draws_the_same_from_a_seed_wherever_it_lives(cls, trained, tmp_path):
    model, data = trained.model, trained.data
    made = tiny.draw(model, data, 5)
    assert made.shape == (5, *model.image_shape) and made.dtype == np.uint8
    assert np.array_equal(made, tiny.draw(model, data, 21, batch_size=3)[:5])
    assert not np.array_equal(made, tiny.draw(model, data, 5, seed=2))
    model.save_to_preset(tmp_path / "preset")
    card = json.loads((tmp_path / "preset" / "metadata.json").read_text())
    kept = [v for name in cls.averaged if (v := getattr(model, f"ema_{name}")) is not None]
    assert card["averaged"] == model.has_average == bool(kept)
    loaded = keras.saving.load_model(trained.folder / "model.keras")
    for other in (loaded, cls.from_preset(tmp_path / "preset")):
        assert np.array_equal(made, tiny.draw(other, data, 5))
    printed = io.StringIO()
    model.summary(print_fn=lambda line: printed.write(line + "\n"))
    for names in cls.players.values():
        for name in names:
            assert getattr(model, name).name in printed.getvalue()


def test_evaluates_without_a_trace(cls, trained):
    model, before = trained.model, tiny.state(trained.model)
    scores, noises = [], []
    for _ in range(2):
        scores.append(model.evaluate(*trained.data, batch_size=16, verbose=0, return_dict=True))
        noises.append(np.asarray(model.test_noise.state).tolist())
    assert noises[0] == noises[1]
    # the last digit of float32: under load SRGAN's loss differs by it in 3 % of evaluations
    assert scores[0] == pytest.approx(scores[1], rel=1e-6, abs=1e-6)
    assert {"d_loss", "g_loss", "loss"} <= set(scores[0])
    assert np.isfinite(list(scores[0].values())).all()
    moved = [
        v.path
        for v, old in zip(model.variables, before, strict=False)
        if not np.array_equal(np.asarray(v), old)
    ]
    assert moved in ([], [model.test_noise.state.path])


def test_a_backup_resumes_exactly(cls, trained, tmp_path):
    whole = trained.model
    histories = fit(whole, trained.data, epochs=3)
    uninterrupted = tiny.state(whole)
    # the first epoch again, then a model that knows nothing of it but the backup
    whole.load_weights(trained.folder / "model.weights.h5")
    rest = tiny.make(cls, seed=None)
    rest.compile(d_steps=whole.d_steps)
    for part, epochs in ((whole, 1), (rest, 3)):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        history = fit(part, trained.data, epochs=epochs, callbacks=[backup])
    assert len(history["loss"]) == 2 and history["loss"] == histories["loss"][1:]
    assert tiny.same(uninterrupted, tiny.state(rest))
    # a later fit on the same object starts from the epoch it is told, not from the backup's
    assert len(fit(rest, trained.data, epochs=1)["loss"]) == 1


def test_each_step_moves_only_its_own_network(cls, trained):
    """With a rate of 0 for one player, the other's steps must leave its weights as they are, to
    the bit; its own must move the other's."""
    model = trained.model
    for still, moving in (("g", "d"), ("d", "g")):
        getattr(model, f"{still}_optimizer").learning_rate = 0.0
        getattr(model, f"{moving}_optimizer").learning_rate = 1e-4
        before = {p: [w.numpy() for w in model.weights_of(p)] for p in (still, moving)}
        fit(model, trained.data)
        after = {p: [w.numpy() for w in model.weights_of(p)] for p in (still, moving)}
        assert tiny.same(before[still], after[still])
        pairs = zip(before[moving], after[moving], strict=True)
        moved = [not np.array_equal(*pair) for pair in pairs]
        # all but those that SAGAN's gamma of 0 still keeps out of the game
        assert np.mean(moved) > 0.6


def test_a_nan_ends_training(cls, trained):
    weight = trained.model.weights_of("d")[0]
    weight.assign(ops.full(weight.shape, float("nan")))
    stop = keras.callbacks.TerminateOnNaN()
    history = fit(trained.model, trained.data, epochs=3, callbacks=[stop])
    assert len(history["loss"]) == 1 and not np.isfinite(history["loss"]).all()


def test_two_devices_train_as_one(cls, tiny_images, still_noise, two_devices):
    data = tiny.data(cls, tiny_images, 32)
    models, histories = [], []
    for strategy in (None, two_devices):
        keras.utils.set_random_seed(5)
        with strategy.scope() if strategy else tf.device("/cpu:0"):
            model = tiny.make(cls)
            model.compile(**sgd(), **few(cls))
        histories.append(fit(model, data, epochs=2, shuffle=False))
        models.append(model)
    for one, two in zip(*(m.trainable_variables for m in models), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5, err_msg=one.path)
    for name in histories[0]:
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-4, atol=1e-5)


def test_xla_and_several_steps_a_call_change_nothing(cls, tiny_images):
    data = tiny.data(cls, tiny_images)
    results = []
    for options in ({}, {"jit_compile": True}, {"steps_per_execution": 2}):
        keras.utils.set_random_seed(5)
        model = tiny.make(cls)
        model.compile(**sgd(), **few(cls), **options)
        assert model.jit_compile == options.get("jit_compile", False)
        fit(model, data)
        results.append([np.asarray(w) for w in model.weights])
    for plain, compiled, twice in zip(*results, strict=True):
        np.testing.assert_allclose(plain, compiled, atol=2e-5)
        np.testing.assert_array_equal(plain, twice)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_and_saves_its_scales(cls, policy, tiny_images, tmp_path):
    data = tiny.data(cls, tiny_images, 32)
    model = tiny.make(cls, dtype=policy)
    model.compile(**few(cls))
    fit(model, data)
    scalers = [getattr(model, f"{player}_optimizer") for player in cls.players]
    scaled = [isinstance(s, keras.optimizers.LossScaleOptimizer) for s in scalers]
    assert all(scaled) if policy == "mixed_float16" else not any(scaled)
    for weight in model.trainable_variables:
        assert weight.dtype == "float32" and np.isfinite(weight.numpy()).all()
    for scaler in scalers if policy == "mixed_float16" else []:
        scaler.dynamic_scale.assign(512.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert tiny.same(tiny.state(model), tiny.state(loaded))
    assert model(tiny.inputs(model, data)).dtype == tf.float32


def test_eager_steps_train(cls, tiny_images):
    model = tiny.make(cls)
    model.compile(run_eagerly=True, **few(cls))
    data = tiny.data(cls, tiny_images, 16)
    assert np.isfinite(fit(model, data)["loss"]).all()
