"""`GAN`: the mechanics under every family. The algorithms are in `ganzoo/models/`.

A family gives its networks, its loss, its optimizers and a `train_step`; the base gives what Keras
does not: several optimizers that stock callbacks see as one, replica-safe loss-scaled updates,
seeded noise that is saved, an averaged generator, complete saving, `evaluate` and `generate`.
"""

import contextlib
import inspect
import random

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from ganzoo import inputs, losses, sampling
from ganzoo.averages import StandingStatistics
from ganzoo.labels import DiscriminatorOptions
from ganzoo.optimizers import Optimizers, agree_on_finite
from ganzoo.random import Noise, uniform
from ganzoo.reports import Reports, gradient_norm, state_of_game


class Presets:
    """`Cls.presets`: the rows of `ganzoo.list_presets()` of a class, by name, as in KerasHub."""

    def __get__(self, model, cls):
        from ganzoo import presets
        from ganzoo.models import MODELS

        families = {family.__name__ for family in MODELS if issubclass(family, cls)}
        return {row["name"]: row for row in presets.list_presets() if row["class"] in families}


class GAN(keras.Model):
    """A generative adversarial network as one `keras.Model`.

    Not used directly: each family subclasses it. A subclass calls `super().__init__` with its
    networks, keeps every constructor argument as an attribute of the same name (the configuration
    is read from the signature), and defines `train_step`, `default_optimizer`, `default_loss`.

    Args:
        networks: dict, attribute name -> a `keras.Model` (the user's own) or a function without
            arguments that makes one under this model's dtype policy.
        ema_decay: share kept of the averaged generator at each step, in [0, 1); None for no
            average. Default None. `fit` gives the average running statistics of its own after each
            epoch; until then they are the trained generator's.
        augment: a Keras layer applied to whatever the discriminator sees, or None.
        seed: int seed of latents, label draws and input noise, or None for a random one. Initial
            weights follow `keras.utils.set_random_seed`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Model`. `dtype="mixed_bfloat16"` and
            `"mixed_float16"` work, the latter with loss scaling for every player.

    Attributes:
        generator, discriminator: the networks. `ema_generator`: the average, or None.
        g_optimizer, d_optimizer: set by `compile`. `latent_dim`, `image_shape`: the family's;
            `latent_dim` is None for one that starts from images.
    """

    #: the named presets of the family
    presets = Presets()
    #: player -> the networks its optimizer moves
    players = {"g": ("generator",), "d": ("discriminator",)}
    #: names in the logs, without `loss`, which is the sum of the two losses
    reports = (
        "d_loss",
        "g_loss",
        "d_real",
        "d_fake",
        "d_real_accuracy",
        "d_fake_accuracy",
        "diversity",
        "d_gradient",
        "g_gradient",
    )
    #: what `compile` and `ganzoo train` take when nothing is said; units: images, epochs, updates;
    #: "model" holds arguments of the class, for families whose own networks processors cannot train
    recipe = {"batch_size": 128, "epochs": 30, "d_steps": 1, "g_steps": 1}
    #: conditional families set it in their constructor
    num_classes = None
    #: families that start from latents set it in their constructor
    latent_dim = None
    #: the method that makes images: "generate" from latents, "translate" or "upscale" from images
    makes_with = "generate"
    #: what `fit` takes: "images", with labels or without; "pairs" of images; "unpaired" sets;
    #: images with "captions"; or "photos", large ones alone or small and large ones
    data_form = "images"
    #: the networks an average is kept of, each as `ema_` and its name
    averaged = ("generator",)

    def __init__(self, networks, ema_decay=None, augment=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        if ema_decay is not None and not 0 <= ema_decay < 1:
            raise ValueError(f"ema_decay={ema_decay}: want a number in [0, 1), or None.")
        if augment is not None and not callable(augment):
            raise ValueError(
                f"augment={augment!r}: want a Keras layer such as ganzoo.augment.DiffAugment(), or "
                'None; `ganzoo train --set augment={"policy": ["color"]}` takes its arguments.'
            )
        self.ema_decay, self.augment, self.seed = ema_decay, augment, seed
        self._given = tuple(k for k, v in networks.items() if isinstance(v, keras.Model))
        with self._policy():
            for name, network in networks.items():
                setattr(self, name, network if name in self._given else network())
        for name in self.averaged:
            network = getattr(self, name)
            setattr(self, f"ema_{name}", None if ema_decay is None else twin(network))
        self.noise = Noise(seed)
        # held-out losses use noise of their own, so that `evaluate` disturbs no training
        self.test_noise = Noise(0)
        self._reports = Reports(self.reports)
        self._sampler = None
        self.built = True  # the networks are built, so all variables exist

    @contextlib.contextmanager
    def _policy(self):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype_policy)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)

    # What a family defines

    def default_optimizer(self, player):
        """The paper's optimizer for this player, a new one at each call."""
        raise NotImplementedError(f"{type(self).__name__} must define default_optimizer(player)")

    def default_loss(self):
        """The paper's adversarial loss, a `ganzoo.losses.Loss`."""
        raise NotImplementedError(f"{type(self).__name__} must define default_loss()")

    def train_step(self, data):
        """One round: `d_steps` updates of D, each on its own real batch, then `g_steps` of G."""
        raise NotImplementedError(f"{type(self).__name__} must define train_step(data)")

    def recipe_callbacks(self, epochs):
        """Callbacks that belong to the paper's training over this many epochs; none here."""
        return []

    # Compiling

    def compile(
        self,
        g_optimizer="auto",
        d_optimizer="auto",
        loss="auto",
        d_steps="auto",
        g_steps="auto",
        label_smoothing=None,
        label_noise=None,
        input_noise=None,
        metrics=None,
        jit_compile="auto",
        steps_per_execution=1,
        run_eagerly=False,
    ):
        """Sets how to train. Optional: `fit` on an uncompiled model takes the paper's settings.

        Args:
            g_optimizer, d_optimizer: a Keras optimizer or its name; "auto" for the paper's. Both
                are loss-scaled under `mixed_float16`.
            loss: a `ganzoo.losses` object; "auto" for the paper's.
            d_steps, g_steps: updates of each network in one `train_step`. Each of D's sees its own
                real batch and fresh noise: `fit` hands a step `d_steps` real batches.
            label_smoothing: 0.1 makes D's real target 0.9; or a `ganzoo.LabelSmoothing`.
            label_noise: share of D's labels flipped each step, in [0, 1], or a Keras learning-rate
                schedule of it over D's updates.
            input_noise: standard deviation of Gaussian noise on all that D sees, or a schedule.
            metrics: `ganzoo.metrics`, or Keras metrics, for `evaluate`, called as
                `update_state(real, fake)` with images `(N, H, W, C)` float32 in [-1, 1].
            jit_compile, steps_per_execution, run_eagerly: as in `keras.Model.compile`.

        Raises:
            ValueError: one optimizer for two players, steps below 1, a label option with a loss
                that has no labels, or a value out of range.
        """
        if loss == "auto":
            loss = self.default_loss()
        if not isinstance(loss, losses.Loss):
            raise ValueError(
                f"loss={loss!r}: want a ganzoo.losses object, such as NonSaturating()."
            )
        steps = {}
        for name, value in (("d_steps", d_steps), ("g_steps", g_steps)):
            steps[name] = self.recipe.get(name, 1) if value == "auto" else value
            if not isinstance(steps[name], int) or steps[name] < 1:
                raise ValueError(f"{name}={value!r}: want a whole number of updates, 1 or more.")
        options = DiscriminatorOptions(label_smoothing, label_noise, input_noise, loss)
        with self.distribute_strategy.scope():
            # optimizer=None, because the default would leave an RMSprop for callbacks to act on
            super().compile(
                optimizer=None,
                jit_compile=jit_compile,
                steps_per_execution=steps_per_execution,
                run_eagerly=run_eagerly,
            )
            self._set_optimizers({"g": g_optimizer, "d": d_optimizer})
        self.loss, self.d_steps, self.g_steps = loss, steps["d_steps"], steps["g_steps"]
        self._options, self._reports.metrics = options, list(metrics or [])
        # kept as given, because a loaded model must compile as this one did
        self._compiled_with = {
            "loss": loss,
            "d_steps": self.d_steps,
            "g_steps": self.g_steps,
            "label_smoothing": options.smoothing,
            "label_noise": label_noise,
            "input_noise": input_noise,
            "metrics": self._reports.metrics,
            "jit_compile": self.jit_compile,
            "steps_per_execution": steps_per_execution,
            "run_eagerly": run_eagerly,
        }

    def _set_optimizers(self, given):
        """Builds an optimizer for each player on its own networks."""
        chosen = {}
        for player, optimizer in given.items():
            if isinstance(optimizer, str) and optimizer == "auto":
                optimizer = self.default_optimizer(player)
            optimizer = keras.optimizers.get(optimizer)
            if any(optimizer is other for other in chosen.values()):
                raise ValueError("one optimizer was given for two players: make one for each.")
            if not optimizer.built:
                # Keras numbers names (adam_6), and TensorBoard's curves would change with it
                optimizer.name = f"{player}_optimizer"
            scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
            if self.dtype_policy.name == "mixed_float16" and not scaled:
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name=f"{player}_scale")
            optimizer.build(self.weights_of(player))
            setattr(self, f"{player}_optimizer", optimizer)
            chosen[player] = optimizer
        self.optimizer = Optimizers(chosen.values())

    def weights_of(self, player):
        """The trainable variables that this player's optimizer moves."""
        return [w for name in self.players[player] for w in getattr(self, name).trainable_variables]

    # Pieces of a train step

    def real_batches(self, data):
        """Splits what `fit` hands a step into the real batches of its D updates.

        Returns:
            A list of `d_steps` batches of what `prepared` gives.
        """
        batch = self.prepared(*keras.utils.unpack_x_y_sample_weight(data)[:2])
        if not isinstance(batch, tuple):
            return tf.split(batch, self.d_steps)
        return list(zip(*(tf.split(part, self.d_steps) for part in batch), strict=True))

    def prepared(self, x, y):
        """A batch of `fit`'s data as the step takes it; families with other data override it.

        Returns:
            float32 images `(N, H, W, C)` in [-1, 1]; a tuple of them and int32 labels `(N,)` when
            the family has classes.
        """
        images = inputs.to_float(x)
        return images if self.num_classes is None else (images, inputs.to_class_ids(y))

    def latents(self, n):
        """n fresh latent vectors, `(n, latent_dim)`, standard normal."""
        return self.noise.normal((n, self.latent_dim))

    def classes(self, n):
        """n class ids drawn evenly, `(n,)` int32; None for a family without classes."""
        if self.num_classes is None:
            return None
        return ops.cast(ops.floor(self.noise.uniform((n,)) * self.num_classes), "int32")

    def see(self, images):
        """What D looks at: `images` `(N, H, W, C)`, augmented, with input noise."""
        if self.augment is not None:
            images = self.augment(images)
        return self._options.noisy(self.noise, images, self.d_optimizer.iterations)

    def targets(self, n):
        """D's labels for n real and n fake images as arguments of the loss; {} for its own."""
        return self._options.targets(self.noise, n, self.d_optimizer.iterations)

    def descend(self, player, tape, loss):
        """One update of a player down `loss`, the scalar mean over this replica's batch; the norm
        of its gradient goes into the logs, as `d_gradient` for player "d".

        Args:
            player: "g", "d" or another key of `players`.
            tape: the `tf.GradientTape` that recorded `loss`; it is used up.
        """
        optimizer, weights = getattr(self, f"{player}_optimizer"), self.weights_of(player)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tape:  # gradients are summed over replicas, so each gives its share
            scaled = optimizer.scale_loss(loss / replicas)
        gradients = tape.gradient(scaled, weights)
        if replicas > 1 and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            gradients = agree_on_finite(gradients)
        self._note_gradient(player, gradients, optimizer.scale_loss(1.0))
        optimizer.apply_gradients(zip(gradients, weights, strict=True))

    def _note_gradient(self, player, gradients, scale):
        """Adds the norm of a gradient to its epoch mean."""
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            # of the whole batch's gradient, which the optimizer will sum but does not tell
            context = tf.distribute.get_replica_context()
            present = [g for g in gradients if g is not None]
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, present)
        norm, weight = gradient_norm(gradients) / scale, None
        if isinstance(getattr(self, f"{player}_optimizer"), keras.optimizers.LossScaleOptimizer):
            # it skips an update that overflows
            finite = ops.isfinite(norm)
            norm, weight = ops.where(finite, norm, 0.0), ops.cast(finite, "float32")
        self._reports.add(f"{player}_gradient", norm, weight)

    @property
    def has_average(self):
        """Whether images come from an average. A family may keep one without `ema_decay`, whose
        decay it reckons by images."""
        return any(getattr(self, f"ema_{name}") is not None for name in self.averaged)

    def average(self, decay=None):
        """Moves the averages towards their networks; what is not trained is copied, and running
        statistics are put right at the end of an epoch, see `ganzoo.averages`.

        Args:
            decay: share kept; None for `ema_decay`.
        """
        decay = self.ema_decay if decay is None else decay
        for name in self.averaged:
            average, network = getattr(self, f"ema_{name}"), getattr(self, name)
            if average is None:
                continue
            for slow, fast in zip(average.weights, network.weights, strict=True):
                slow.assign(slow * decay + fast * (1 - decay) if fast.trainable else fast)

    def report(self, real, fake, **values):
        """Adds one step's values to the epoch means; returns the logs.

        Args:
            real, fake: `(images, verdicts)` of the last real batch and the last fakes,
                `(N, H, W, C)` and `(N, ...)`; what the logs say of the game is read off them, see
                `ganzoo.reports.state_of_game`.
            **values: scalars: `d_loss`, `g_loss` and the family's own.
        """
        values |= state_of_game(self.loss, real, fake)
        return self._reports.update(values, also=[f"{player}_gradient" for player in self.players])

    @property
    def metrics(self):
        return [*self._reports.means.values(), *self._reports.metrics]

    # Using the model

    def check_batch(self, x, y):
        """Refuses a first batch that this family cannot train on; families with other inputs
        override it.

        Args:
            x: images. y: labels, or None.

        Raises:
            ValueError: what came, what is wanted, what to do.
        """
        inputs.check_images(x, self.image_shape)
        if self.num_classes is not None:
            inputs.check_labels(y, self.num_classes, len(x))

    def as_numbers(self, x, y=None):
        """What Keras iterates for `fit` and `evaluate`, from data that were checked; families whose
        data a step cannot take, such as strings, override it.

        Returns:
            `(x, y)`.
        """
        return x, y

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Trains. As `keras.Model.fit`, with these differences.

        `x` is images `(N, H, W, C)`, uint8 or float in [-1, 1], as arrays, `tf.data.Dataset`,
        `PyDataset` or generator; labels come as `y` or in `(images, labels)` and are passed over by
        families that use none. With `d_steps` k, each step takes k batches. Arrays are shuffled in
        an order that depends on the model's seed and the epoch only, so a resumed run sees what
        an uninterrupted one would have seen; an incomplete last batch is left out. `batch_size`
        counts images and defaults to 32. Pairs of images and unpaired sets come as `x, y` or as
        `(x, y)`; an epoch of unpaired sets is as long as the larger.

        Raises:
            ValueError: sample or class weights, or a first batch of wrong rank, size, channels,
                range or labels; before the first step.
        """
        if class_weight is not None or sample_weight is not None:
            raise ValueError("a GAN's losses have no sample or class weights: leave them out.")
        if not self.compiled:
            self.compile()
        self._initial_epoch = None  # a BackupAndRestore of an earlier fit leaves it behind
        inputs.check_callbacks(callbacks)
        x, y = inputs.apart(x, y)
        if validation_split and validation_data is None:
            (x, y), validation_data = inputs.split_off(x, y, validation_split)
        rounds, epochs_told = inputs.rounds(self, x, y, batch_size or 32, shuffle)
        if validation_data is not None:
            validation_data = inputs.held_out(
                self,
                *keras.utils.unpack_x_y_sample_weight(validation_data)[:2],
                validation_batch_size or batch_size,
            )
        averaging = StandingStatistics() if self.has_average else None
        return super().fit(
            self.as_numbers(rounds)[0],
            epochs=epochs,
            verbose=verbose,
            callbacks=inputs.with_callbacks(self, averaging, callbacks, epochs_told),
            validation_data=validation_data,
            shuffle=False,  # done by now; Keras would only warn
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size or batch_size,
            validation_freq=validation_freq,
        )

    def evaluate(self, x=None, y=None, batch_size=None, *args, return_dict=False, **kwargs):
        """Losses and the compiled metrics on held-out images, without an update.

        Arguments as in `keras.Model.evaluate`. Both networks run in inference, with the averaged
        generator if there is one; the noise is the same at every call.
        """
        if not self.compiled:
            self.compile()
        if x is not None and not kwargs.get("_use_cached_eval_dataset"):
            x, y, _ = keras.utils.unpack_x_y_sample_weight(
                inputs.held_out(self, *inputs.apart(x, y), batch_size)
            )
        if not inputs.is_arrays(x):
            batch_size = None
        self.test_noise.state.assign([0, 0])
        logs = super().evaluate(x, y, batch_size, *args, return_dict=True, **kwargs)
        for metric in self._reports.metrics:
            if getattr(metric, "at_end", False):
                score = metric.result()
                parts = score if isinstance(score, dict) else {metric.name: score}
                logs |= {name: float(value) for name, value in parts.items()}
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def get_metrics_result(self):
        # of the means alone: Keras asks after every epoch, and a score of sets takes its time
        return {name: mean.result() for name, mean in self._reports.means.items()}

    def make_train_function(self, force=False):
        if force or self.train_function is None:
            self.train_function = self._make_function(inputs.after_data(self.train_step))
        return self.train_function

    def make_test_function(self, force=False):
        if force or self.test_function is None:
            self.test_function = self._make_function(inputs.after_data(self.test_step))
        return self.test_function

    def test_step(self, data):
        """The losses of one held-out batch.

        Families whose networks take more than latents or images, and labels `(N,)` where there are
        classes, override it.
        """
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        real = inputs.to_float(x)
        z = self.test_noise.normal((ops.shape(real)[0], self.latent_dim))
        labels = None
        if self.num_classes is None:
            fake = self(z, training=False)
            d_real = self.discriminator(real, training=False)
            d_fake = self.discriminator(fake, training=False)
        else:
            labels = inputs.to_class_ids(y)
            fake = self([z, labels], training=False)
            d_real = self.discriminator([real, labels], training=False)
            d_fake = self.discriminator([fake, labels], training=False)
        return self.test_report(
            d_loss=ops.mean(self.loss.discriminator(d_real, d_fake)),
            g_loss=ops.mean(self.loss.generator(d_fake, d_real)),
            real=(real, d_real),
            fake=(fake, d_fake),
            labels=labels,
        )

    def test_report(self, real, fake, labels=None, **values):
        """As `report`, and updates the compiled metrics with real and fake images.

        Args:
            labels: class ids `(N,)` that the fakes were asked for, in families with classes.
        """
        metrics = {}
        for metric in self._reports.metrics:
            if getattr(metric, "at_end", False):  # a score of sets: `evaluate` asks it once
                metric.update_state(real[0], fake[0], labels)
            else:
                metric.update_state(real[0], fake[0])
                metrics[metric.name] = metric.result()
        values |= state_of_game(self.loss, real, fake)
        return {**self._reports.update(values), **metrics}

    def call(self, inputs, training=False):
        """Images float `(N, H, W, C)` in [-1, 1]; from the average when not training."""
        averaged = self.ema_generator is not None and not training
        return (self.ema_generator if averaged else self.generator)(inputs, training=training)

    def generate(self, n=1, labels=None, seed=None, truncation=None, batch_size=64):
        """New images.

        Args:
            n: how many.
            labels: class ids `(n,)` or one-hot rows `(n, num_classes)` for families with classes;
                None to draw them.
            seed: int; the same seed gives the same images in any process, after save and load,
                and for any `batch_size`. None for new ones at each call.
            truncation: latents are drawn from the normal cut off at this many standard deviations
                (Brock et al. 2019, https://arxiv.org/abs/1809.11096, section 3.1). None for all.
            batch_size: images computed in one call; bounds the memory.

        Returns:
            uint8 `(n, H, W, C)`.

        Raises:
            ValueError: n or batch_size below 1, truncation not above 0, labels out of range,
                labels for a family without classes, or a family that starts from images.
        """
        if self.makes_with != "generate":
            raise ValueError(
                f"{type(self).__name__} starts from images, not from latents: use "
                f"{self.makes_with}(images), or `ganzoo {self.makes_with}` on the command line."
            )
        for name, value in (("n", n), ("batch_size", batch_size)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name}={value!r}: want a whole number, 1 or more.")
        if truncation is not None and not truncation > 0:
            raise ValueError(f"truncation={truncation}: want a number above 0, or None.")
        seed = random.randrange(2**31) if seed is None else int(seed)
        given = self.sampling_inputs(n, labels, seed, truncation)
        if self._sampler is None:
            self._sampler = sampling.sampler(self)
        return sampling.run(self._sampler, given, n, batch_size)

    def sampling_inputs(self, n, labels, seed, truncation):
        """The inputs of `call` for n images, as a list of arrays of length n."""
        latents = sampling.latents(n, self.latent_dim, seed, truncation)
        if self.num_classes is None:
            if labels is not None:
                raise ValueError(f"{type(self).__name__} has no classes: leave labels out.")
            return [latents]
        if labels is None:
            labels = ops.floor(uniform([seed, 1], (n,)) * self.num_classes)
        else:
            inputs.check_labels(labels, self.num_classes, n)
        return [latents, inputs.to_class_ids(ops.convert_to_tensor(labels))]

    def preview(self, n, labels=None, seed=0, examples=None):
        """What `ImageGrid` and a preset's card show.

        Args:
            n: images wanted. labels, seed: as in `generate`.
            examples: held-out data as `fit` takes them, `x` or `(x, y)`, for families that start
                from images; others make nothing of them.

        Returns:
            uint8 `(k, H, W, C)`, and how many of them are a row, None for a square.
        """
        return self.generate(n, labels=labels, seed=seed), None

    def exhibits(self, x, y, seed):
        """What `Verdicts` shows to D.

        Args:
            x, y: held-out data as `fit` takes them. seed: of the fakes.

        Returns:
            A dict, name -> (discriminator, the list of its inputs, each of the same length).
        """
        fake = self.generate(len(x), labels=y, seed=seed)
        judge = self.discriminator
        labels = [] if y is None or len(judge.inputs) == 1 else [y]
        return {"real": (judge, [x, *labels]), "fake": (judge, [fake, *labels])}

    def sampling_networks(self):
        """The networks with the weights that make images, which a preset stores: the averaged one
        first, if there is one."""
        return [network for network in (self.ema_generator, self.generator) if network is not None]

    def summary(self, *args, **kwargs):
        """Prints a summary of each network."""
        for names in self.players.values():
            for name in names:
                getattr(self, name).summary(*args, **kwargs)

    def export(self, filepath, *args, **kwargs):
        """Keras's export (SavedModel, ONNX, LiteRT) of the averaged generator if there is one."""
        return self.sampling_networks()[0].export(filepath, *args, **kwargs)

    # Saving

    def get_config(self):
        config = super().get_config()
        for cls in type(self).__mro__:
            if not issubclass(cls, GAN) or "__init__" not in vars(cls):
                continue
            for name, parameter in inspect.signature(cls.__init__).parameters.items():
                if name in ("self", "networks") or parameter.kind is parameter.VAR_KEYWORD:
                    continue
                value = getattr(self, name)
                if isinstance(value, keras.Model) and name not in self._given:
                    value = None
                if hasattr(value, "get_config"):
                    value = keras.saving.serialize_keras_object(value)
                config[name] = value
        return config

    @classmethod
    def from_config(cls, config):
        def restored(value):
            if isinstance(value, dict) and "class_name" in value:
                return keras.saving.deserialize_keras_object(value)
            return tuple(value) if isinstance(value, list) else value

        return cls(**{name: restored(value) for name, value in config.items()})

    def get_compile_config(self):
        if not self.compiled:
            return {}
        optimizers = {f"{p}_optimizer": getattr(self, f"{p}_optimizer") for p in self.players}
        return keras.saving.serialize_keras_object({**optimizers, **self._compiled_with})

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _seeds(self):
        """Seed states of this model and of layers such as Dropout; Keras saves none of them."""
        return [v for v in self.non_trainable_variables if v.name == "seed_generator_state"]

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for i, seed in enumerate(self._seeds()):
            store[f"seed_{i}"] = seed

    def load_own_variables(self, store):
        # a file for inference only has no seeds: then the fresh ones stay
        keys = list(store.keys())
        for i, seed in enumerate(self._seeds()):
            if f"seed_{i}" in keys:
                seed.assign(store[f"seed_{i}"])
        own = {key: store[key] for key in keys if not key.startswith("seed_")}
        super().load_own_variables(own)

    def save_to_preset(self, path, examples=None, half=False, **metadata):
        """Writes a preset folder: `config.json`, `generator.weights.h5`, `metadata.json`,
        `README.md` and `samples.png`. See `ganzoo.presets.save`."""
        from ganzoo import presets

        return presets.save(self, path, examples, half, **metadata)

    @classmethod
    def from_preset(cls, name_or_dir, sha256=None):
        """This family with a preset's generator. See `ganzoo.presets.load`."""
        from ganzoo import presets

        return presets.load(name_or_dir, cls, sha256)


def twin(network):
    """A network of the same kind and weights, not trained."""
    copy = type(network).from_config(network.get_config())
    if not copy.built:
        copy.build(network.input_shape)
    copy.set_weights(network.get_weights())
    copy.trainable = False
    return copy
