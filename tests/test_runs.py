"""`ganzoo train` as a user runs it: real processes, real signals, real resumption."""

import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import ganzoo
from ganzoo import cli, runs

TINY = [
    *("--set", "dtype=float32"),
    *("--set", "generator_units=[8]", "--set", "discriminator_units=[8]", "--set", "latent_dim=4"),
    *("--set", "batch_size=250"),
]


def command(*arguments):
    return [sys.executable, "-m", "ganzoo", *map(str, arguments)]


def run(*arguments, **kwargs):
    return subprocess.run(command(*arguments), capture_output=True, text=True, **kwargs)


def invoke(*arguments):
    """The command in this process, where TensorFlow is loaded already."""
    done = CliRunner().invoke(cli.main, [str(a) for a in arguments])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run of four epochs on the embedded set, made by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    done = run("train", "fcgan", "--epochs", 4, "--out", out, *TINY)
    assert done.returncode == 0, done.stderr
    assert "Epoch 4/4" in done.stdout
    assert "40/40" in done.stdout
    return out


def weights(out):
    state = json.loads((out / "checkpoint" / "state.json").read_text())
    config = json.loads((out / "config.json").read_text())
    model = ganzoo.FCGAN.from_config(config["config"])
    model.compile_from_config(config["compile"])
    model.load_weights(out / "checkpoint" / state["weights"])
    optimizers = [*model.g_optimizer.variables, *model.d_optimizer.variables]
    return state["epoch"], [np.asarray(v) for v in (*model.variables, *optimizers)]


def same_run(a, b):
    (epoch_a, weights_a), (epoch_b, weights_b) = weights(a), weights(b)
    assert epoch_a == epoch_b
    for x, y in zip(weights_a, weights_b, strict=True):
        np.testing.assert_array_equal(x, y)
    assert (a / "history.csv").read_text() == (b / "history.csv").read_text()
    assert sorted(p.name for p in (a / "samples").iterdir()) == sorted(
        p.name for p in (b / "samples").iterdir()
    )


def test_a_run_folder_holds_what_the_contract_lists(whole):
    names = {p.name for p in whole.iterdir()}
    assert names == {
        *("config.json", "history.csv", "losses.png", "samples", "samples.gif", "logs"),
        *("health.jsonl", "checkpoint", "preset"),
    }
    assert [p.name for p in sorted((whole / "samples").iterdir())] == [
        f"epoch_{i:04d}.png" for i in range(1, 5)
    ]
    rows = list(csv.DictReader((whole / "history.csv").open()))
    assert len(rows) == 4
    assert {"d_loss", "g_loss", "loss", "d_real", "d_fake"} <= set(rows[0])
    with Image.open(whole / "samples.gif") as gif:
        assert gif.n_frames == 4
    with Image.open(whole / "losses.png") as curves:
        assert curves.size[0] > 300
    assert list((whole / "logs").rglob("events.out.tfevents.*"))
    preset = {p.name for p in (whole / "preset").iterdir()}
    assert preset == {
        *("config.json", "generator.weights.h5", "metadata.json", "README.md", "samples.png")
    }
    # and no half-written file is left anywhere
    assert not list(whole.rglob(".*"))


def test_generate_draws_from_the_preset(whole, tmp_path):
    runner = CliRunner()
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    for out in (first, second):
        arguments = [
            "generate",
            str(whole / "preset"),
            "--n",
            "9",
            "--seed",
            "5",
            "--out",
            str(out),
        ]
        done = runner.invoke(cli.main, arguments)
        assert done.exit_code == 0, done.output
    assert first.read_bytes() == second.read_bytes()
    assert Image.open(first).size[0] >= 3 * 28
    done = runner.invoke(cli.main, arguments)
    assert done.exit_code == 2
    assert "exists" in done.output
    singles = tmp_path / "singles"
    done = runner.invoke(
        cli.main, ["generate", str(whole / "preset"), "--n", "3", "--out", str(singles)]
    )
    assert done.exit_code == 0
    assert [Image.open(p).size for p in sorted(singles.iterdir())] == [(28, 28)] * 3


def wait_for(out, condition, process):
    end = time.time() + 120
    while time.time() < end:
        state = out / "checkpoint" / "state.json"
        if state.exists() and condition(json.loads(state.read_text())):
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    raise AssertionError("the run did not get there")


def test_killed_and_resumed_equals_uninterrupted(whole, tmp_path):
    out = tmp_path / "killed"
    process = subprocess.Popen(
        command("train", "fcgan", "--epochs", 4, "--out", out, *TINY),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for(out, lambda state: state["epoch"] >= 1, process)
    process.kill()
    process.wait()
    done = run("train", "fcgan", "--out", out, "--resume")
    assert done.returncode == 0, done.stderr
    same_run(whole, out)
    # a finished run resumes to nothing more, or to more epochs
    assert invoke("train", "fcgan", "--out", out, "--resume")[0] == 0
    same_run(whole, out)


def test_a_run_killed_before_its_first_checkpoint_begins_anew(whole, tmp_path):
    out = tmp_path / "early"
    out.mkdir()
    (out / "config.json").write_text((whole / "config.json").read_text())
    code, output = invoke("train", "fcgan", "--out", out, "--resume")
    assert code == 0, output
    same_run(whole, out)


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_saves_in_mid_epoch_and_resumes_exactly(whole, tmp_path, name, status):
    """Whatever moment the signal comes at, the step is finished and nothing is lost."""
    out = tmp_path / name
    process = subprocess.Popen(
        command("train", "fcgan", "--epochs", 4, "--out", out, *TINY),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(out, lambda state: state["epoch"] >= 1, process)
    time.sleep(0.25)
    process.send_signal(getattr(signal, name))
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == status, (stdout[-500:], stderr[-500:])
    assert f"stopped by {name}; go on with: ganzoo train fcgan --out {out} --resume" in stdout
    assert "Traceback" not in stderr
    state = json.loads((out / "checkpoint" / "state.json").read_text())
    assert (state["epoch"], state["batch"]) < (4, 0)
    code, output = invoke("train", "fcgan", "--out", out, "--resume")
    assert code == 0, output
    same_run(whole, out)


@pytest.mark.parametrize(("last", "saved"), [(16, (1, 17)), (39, (2, 0))])
def test_a_stop_at_a_known_batch_is_exact(last, saved, whole, tmp_path, monkeypatch):
    """The moment of a signal in a process is chance; here it is in epoch 2, in the middle and at
    the last of the 40 batches."""
    out = tmp_path / "middle"
    plain = runs.Checkpoint.on_train_batch_end

    def stop(self, batch, logs=None):
        if self.epoch == 1 and batch == last:
            self.signal = signal.SIGTERM
        plain(self, batch, logs)

    monkeypatch.setattr(runs.Checkpoint, "on_train_batch_end", stop)
    config = json.loads((whole / "config.json").read_text())
    options = {"generator_units": (8,), "discriminator_units": (8,), "latent_dim": 4}
    with pytest.raises(runs.Interrupted, match="SIGTERM"):
        runs.start(
            ganzoo.FCGAN,
            config["data"]["spec"],
            out,
            4,
            {**options, "batch_size": 250, "dtype": "float32"},
        )
    monkeypatch.undo()
    state = json.loads((out / "checkpoint" / "state.json").read_text())
    assert (state["epoch"], state["batch"]) == saved
    runs.resume(out)
    same_run(whole, out)


def test_more_epochs_go_on_from_the_end(whole, tmp_path):
    out = tmp_path / "more"
    assert invoke("train", "fcgan", "--epochs", 2, "--out", out, *TINY)[0] == 0
    assert invoke("train", "fcgan", "--epochs", 4, "--out", out, "--resume")[0] == 0
    same_run(whole, out)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("train", "dcgna"), 2, "no model 'dcgna'; nearest: dcgan"),
        (("train", "fcgan", "--data", "fashon_mnist"), 1, "fashion_mnist_10k"),
        (("train", "fcgan", "--data", "missing/folder"), 1, "missing/folder"),
        (("train", "fcgan", "--set", "latnt_dim=4"), 1, "nearest: latent_dim"),
        (("train", "fcgan", "--set", "latent_dim"), 2, "want option=value"),
        (("train", "fcgan", "--epochs", "0"), 2, "x>=1"),
        (("train", "fcgan", "--resume"), 1, "nothing to resume"),
        (("train", "fcgan", "--resume", "--force"), 2, "leave --set and --force out"),
        (("generate", "dcgan.mist"), 1, "no preset or folder 'dcgan.mist'"),
        (("inspect", "nowhere"), 1, "nowhere"),
    ],
)
def test_mistakes_end_in_one_line(arguments, status, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output = invoke(*arguments)
    assert code == status
    assert message in output
    assert "Traceback" not in output
    if status == 1:
        assert output.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_an_existing_folder_is_never_overwritten(whole, tmp_path):
    before = sorted((p, p.stat().st_mtime_ns) for p in whole.rglob("*"))
    code, output = invoke("train", "fcgan", "--out", whole)
    assert code == 1
    assert "go on with --resume, empty it with --force" in output
    assert sorted((p, p.stat().st_mtime_ns) for p in whole.rglob("*")) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "old.txt").write_text("old")
    done = invoke("train", "fcgan", "--epochs", 1, "--out", other, "--force", *TINY)
    assert done[0] == 0, done[1]
    assert not (other / "old.txt").exists()


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    code, output = invoke("train", "fcgan", "--out", tmp_path / "file" / "run", *TINY)
    assert code == 1
    assert str(tmp_path / "file") in output
    assert output.count("\n") == 1


def test_inspect_reports_on_the_embedded_set():
    code, output = invoke("inspect", "fashion_mnist_10k")
    assert code == 0
    assert "10,000" in output or "10000" in output
    assert "28" in output


def test_help_and_list_answer_without_tensorflow():
    script = (
        "import sys; from click.testing import CliRunner; from ganzoo.cli import main\n"
        "for a in (['--help'], ['list'], ['train', '--help']):\n"
        "    assert CliRunner().invoke(main, a).exit_code == 0\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code, output = invoke("list")
    assert code == 0
    for cls in ganzoo.MODELS:
        assert cls.__name__.lower() in output
    for row in ganzoo.list_presets():
        assert re.fullmatch(r"\d+ minutes on (one core|two cores)", row["training"])
        assert row["score"] == row["scores"][0]
        facts = (f"{row['parameters']:,} parameters", row["training"], row["licence"])
        (line,) = [line for line in output.splitlines() if line.startswith(f"  {row['name']} ")]
        assert all(fact in line for fact in facts)
        below = (row["data"], *row["scores"])
        assert line + "".join(f"\n      {text}" for text in below) + "\n" in output


@pytest.mark.parametrize(
    "imports",
    ["ganzoo, keras", "keras, ganzoo", "ganzoo, tensorflow, keras", "tensorflow, ganzoo, keras"],
)
def test_classes_are_registered_whatever_is_imported_first(imports):
    script = (
        f"import {imports}, sys\n"
        "for name in ('DCGAN', 'DiffAugment', 'NonSaturating', 'LabelSmoothing', 'ImagePool'):\n"
        "    assert keras.saving.get_registered_object(f'ganzoo>{name}'), name\n"
        "assert 'tensorflow_datasets' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "statement",
    ["import ganzoo.labels", "from ganzoo import LabelSmoothing", "import ganzoo.random, keras"],
)
def test_every_room_can_be_the_first(statement):
    script = f"{statement}; import ganzoo; ganzoo.DCGAN; ganzoo.losses.Hinge()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_another_backend_ends_at_import():
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", "import ganzoo"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1
    assert "set KERAS_BACKEND=tensorflow before importing keras" in done.stderr.splitlines()[-1]


def test_a_saved_gan_goes_on_in_a_fresh_process(tmp_path, tiny_images):
    """Two epochs here equal one here and one in another process, to the bit."""
    import tiny

    gan = tiny.make(ganzoo.DCGAN)
    gan.fit(tiny_images[:64], batch_size=16, verbose=0)
    gan.save(tmp_path / "half.keras")
    np.save(tmp_path / "images.npy", tiny_images[:64])
    gan.fit(tiny_images[:64], batch_size=16, initial_epoch=1, epochs=2, verbose=0)
    script = (
        "import keras, numpy as np, ganzoo\n"
        f"gan = keras.saving.load_model({str(tmp_path / 'half.keras')!r})\n"
        f"images = np.load({str(tmp_path / 'images.npy')!r})\n"
        "gan.fit(images, batch_size=16, initial_epoch=1, epochs=2, verbose=0)\n"
        f"gan.save({str(tmp_path / 'whole.keras')!r})\n"
    )
    root = pathlib.Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", script], check=True, cwd=root, capture_output=True)
    assert tiny.same(tiny.state(gan), tiny.state(keras.saving.load_model(tmp_path / "whole.keras")))


def test_options_reach_the_class_and_its_compile():
    options = cli.parse(
        ["latent_dim=4", 'label_smoothing={"real": [0.7, 1.2]}', "dtype=mixed_bfloat16"]
    )
    constructor, compiling = runs.sort_options(ganzoo.DCGAN, options)
    assert constructor == {"latent_dim": 4, "dtype": "mixed_bfloat16"}
    assert compiling == {"label_smoothing": ganzoo.LabelSmoothing(real=(0.7, 1.2))}


def test_augmentation_is_given_by_its_arguments_and_found_again(tmp_path):
    out = tmp_path / "run"
    policy = '{"policy": ["translation", "color"]}'
    code, printed = invoke(
        *("train", "fcgan", "--epochs", 1, "--out", out, *TINY, "--set", f"augment={policy}")
    )
    assert code == 0, printed
    done = run("train", "fcgan", "--out", out, "--resume", "--epochs", 2)
    assert done.returncode == 0, done.stderr
    assert ganzoo.from_preset(out / "preset").augment.policy == ("color", "translation")
    code, printed = invoke("train", "fcgan", "--out", tmp_path / "no", "--set", "augment=color")
    assert code and "augment='color': want a Keras layer" in printed
    assert not (tmp_path / "no").exists()


def test_train_takes_narrow_networks_unless_an_architecture_is_asked_for(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(runs, "train", lambda model, *_: made.append(model))
    for options in ({}, {"filters": 48}, {"architecture": "resnet64", "image_shape": (8, 8, 1)}):
        runs.start(ganzoo.SNGAN, "fashion_mnist_10k", tmp_path / str(len(made)), options=options)
    assert [model.filters for model in made] == [64, 48, 64]
    assert made[2].architecture == "resnet64"
