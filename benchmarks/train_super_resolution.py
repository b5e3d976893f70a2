"""SRGAN x4 on photographs, both stages, scored as in the papers.

    python benchmarks/train_super_resolution.py sr_photos.npz --out runs/srgan_x4
    python benchmarks/train_super_resolution.py sr_photos.npz --score srgan.photos_x4

Trains on the photos of `bsds_train` and `t91` (291) and scores on `set5`, `set14` and `b100`: PSNR
and SSIM of the luma, rounded to 8 bits, without a rim of `scale` pixels, of MATLAB's bicubic x4, of
the network after its pre-training and after the adversarial stage. Sharpness is the deviation of
the luma's Laplacian as a share of the original's. When the command is given again a stopped run
goes on after its last whole epoch. Both stages go into pretrained/, `srgan.photos_x4` and, after
the pre-training alone, `srgan.photos_x4_psnr`, unless --keep-out leaves it as it is; --score gives
a preset's figures again. Needs SciPy, which comes with the extra `test`.
"""

import argparse
import datetime
import io
import json
import pathlib
import time

import keras
import numpy as np
from PIL import Image
from scipy import ndimage
from shelf import free_photo, shelve, windows

import ganzoo
from ganzoo import bicubic, data, images, presets
from ganzoo.metrics.pairs import PSNR, SSIM

TRAIN, TESTS = ("bsds_train", "t91"), ("set5", "set14", "b100")
SCALE = 4
RESULTS = pathlib.Path(__file__).parent / "results"
# stage -> its preset
PRESETS = {"pretrained": "srgan.photos_x4_psnr", "adversarial": "srgan.photos_x4"}


def files(path, split):
    """The names and bytes of the image files of one split."""
    with np.load(path, allow_pickle=False) as npz:
        kind = "jpeg" if f"{split}_jpeg" in npz.files else "png"
        buffer, ends, names = [npz[f"{split}_{key}"] for key in (kind, "offsets", "name")]
    for name, start, end in zip(names, ends[:-1], ends[1:], strict=True):
        yield f"{name}.{kind}", buffer[start:end].tobytes()


def photos(path, split):
    """uint8 RGB images of one split, cut to sides that the scale divides."""
    for _, content in files(path, split):
        photo = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        height, width = (side - side % SCALE for side in photo.shape[:2])
        yield photo[:height, :width]


def shrunk(photo):
    """The small version of a uint8 photo, uint8."""
    size = [side // SCALE for side in photo.shape[:2]]
    return rounded(bicubic.resize(photo[None].astype("float32"), *size)[0])


def enlarged(photo):
    """Bicubic interpolation of a uint8 photo, uint8."""
    size = [side * SCALE for side in photo.shape[:2]]
    return rounded(bicubic.resize(photo[None].astype("float32"), *size)[0])


def rounded(photo):
    return np.clip(np.round(np.asarray(photo)), 0, 255).astype("uint8")


def luma(photo):
    """Y of ITU-R BT.601, 16 to 235, as MATLAB's `rgb2ycbcr` gives it, without the rim."""
    y = rounded(16 + photo.astype("float64") @ np.array([65.481, 128.553, 24.966]) / 255)
    return y[SCALE:-SCALE, SCALE:-SCALE]


def sharpness(y):
    return ndimage.laplace(y.astype("float64")).std()


def scores(path, split, enlarge):
    """PSNR, SSIM and sharpness of a function from a small uint8 photo to a large one."""
    psnr, ssim, ratios = PSNR(), SSIM(), []
    for photo in photos(path, split):
        real, fake = luma(photo), luma(enlarge(shrunk(photo)))
        for metric in (psnr, ssim):
            metric.update_state(real[None, ..., None], fake[None, ..., None])
        ratios.append(sharpness(fake) / sharpness(real))
    return {
        "psnr": round(float(psnr.result()), 3),
        "ssim": round(float(ssim.result()), 4),
        "sharpness": round(float(np.mean(ratios)), 3),
    }


def table(path, enlarge):
    return {split: scores(path, split, enlarge) for split in TESTS}


def training_set(path, folder, options):
    """The training photos as a folder of files, random windows of which are batches."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in TRAIN:
        for name, content in files(path, split):
            (folder / f"{split}_{name}").write_bytes(content)
    crop = (options.crop, options.crop)
    return data.load(
        folder, crop=crop, batch_size=options.batch_size, flip=True, labels=False, seed=options.seed
    )


def model(options, pretraining):
    """The network and the learning rates of both stages; `pretraining` updates in the first."""
    gan = ganzoo.SRGAN(
        image_shape=(options.crop, options.crop, 3),
        filters=options.filters,
        blocks=options.blocks,
        discriminator_filters=options.filters,
        discriminator_units=256,
        content=options.content,
        pretraining_steps=pretraining,
        # a network of the last steps alone draws a hatch of the period of the scale
        ema_decay=0.998,
        seed=options.seed,
    )
    # some thousand updates instead of a million: ten times the paper's rate at first
    shares, values = (0.4, 0.6, 0.75, 0.9, 1), [1e-3, 5e-4, 2e-4, 1e-4, 3e-5, 1e-4]
    bounds = [round(share * pretraining) for share in shares]
    rates = keras.optimizers.schedules.PiecewiseConstantDecay(bounds, values)
    gan.compile(g_optimizer=keras.optimizers.Adam(rates, beta_1=0.9))
    return gan


def train(gan, batches, out, epochs):
    """Trains until so many epochs are done, from the newest backup on; returns the minutes it
    took."""
    start = time.perf_counter()
    gan.fit(
        batches,
        epochs=epochs,
        callbacks=[
            keras.callbacks.BackupAndRestore(out / "backup", delete_checkpoint=False),
            keras.callbacks.CSVLogger(out / "history.csv", append=True),
        ],
        verbose=2,
    )
    return (time.perf_counter() - start) / 60


def put_on_shelf(found, options):
    """Both stages as presets, their scores as a file, and the picture of the README."""
    command = "python benchmarks/train_super_resolution.py sr_photos.npz --out FOLDER"
    for name in ("crop", "batch_size", "filters", "blocks", "pretraining", "adversarial"):
        command += f" --{name.replace('_', '-')} {getattr(options, name)}"
    protocol = "Y channel, MATLAB's bicubic x4, rim of 4 pixels left out"
    minutes = 0
    for stage, name in PRESETS.items():
        minutes += found[stage]["minutes"]
        lines = []
        for split in TESTS:
            ours, plain = found[stage][split], found["bicubic"][split]
            lines.append(
                f"{split}: {ours['psnr']:.2f} dB, SSIM {ours['ssim']:.3f}, sharpness "
                f"{ours['sharpness']:.2f}; bicubic {plain['psnr']:.2f} dB, {plain['ssim']:.3f}, "
                f"{plain['sharpness']:.2f} | {protocol}"
            )
        shelve(
            name,
            presets.load(options.out / stage),
            lines,
            windows(free_photo(), options.crop),
            data="BSDS200 and T91, 291 photographs, for research and education",
            licence="other",
            recipe={"command": command, "stage": stage},
            seed=options.seed,
            batch_size=options.batch_size,
            minutes_on_two_cores=round(minutes),
        )
        photo = free_photo()[20:404, 100:420]
        small = shrunk(photo)
        made = ganzoo.from_preset(name).upscale(small)
        strip = np.stack([enlarged(small), made, photo])[:, 60:220, 60:220]
        images.save(RESULTS / "gallery" / f"{name}.png", images.tile(strip, 3))
    today = datetime.date.today().isoformat()
    record = {"date": today, "keras": keras.__version__, "recipe": command, "protocol": protocol}
    (RESULTS / "srgan_x4.json").write_text(json.dumps({**record, **found}, indent=1) + "\n")


def pictures(path, folder, enlarge):
    """Details of three test photos: bicubic, the model's, the original."""
    for split, index, top, left in (
        ("set5", 2, 80, 80),
        ("set14", 13, 100, 60),
        ("b100", 4, 60, 60),
    ):
        photo = list(photos(path, split))[index]
        small = shrunk(photo)
        rows = [enlarged(small), enlarge(small), photo]
        detail = [row[top : top + 128, left : left + 128] for row in rows]
        images.save(folder / f"{split}_{index}.png", images.tile(np.stack(detail), 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=pathlib.Path, help="sr_photos.npz")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/srgan_x4"))
    parser.add_argument("--crop", type=int, default=96, help="pixels of a large training window")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--filters", type=int, default=32, help="of both networks; the paper's: 64")
    parser.add_argument("--blocks", type=int, default=8, help="the paper's: 16")
    parser.add_argument(
        "--pretraining", type=int, default=8000, help="updates of the first stage, about"
    )
    parser.add_argument("--adversarial", type=int, default=1200, help="updates of the second")
    parser.add_argument("--content", default="lite0")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep-out", action="store_true", help="leave pretrained/ as it is")
    parser.add_argument("--score", metavar="NAME", help="only give the figures of a preset again")
    options = parser.parse_args()
    if options.score:
        print(json.dumps(table(options.photos, ganzoo.from_preset(options.score).upscale)))
        return

    keras.utils.set_random_seed(options.seed)
    batches = training_set(options.photos, options.out / "photos", options)
    # whole epochs, or the last one of the first stage would hold updates of the second
    first, second = (round(n / len(batches)) for n in (options.pretraining, options.adversarial))
    gan = model(options, first * len(batches))
    record = options.out / "scores.json"
    found = json.loads(record.read_text()) if record.exists() else {}
    if "bicubic" not in found:
        found["bicubic"] = table(options.photos, enlarged)
    for stage, epochs in {"pretrained": first, "adversarial": first + second}.items():
        took = train(gan, batches, options.out, epochs)
        if stage not in found:
            found[stage] = {"minutes": round(took, 1), **table(options.photos, gan.upscale)}
            gan.save_to_preset(options.out / stage, examples=windows(free_photo(), options.crop))
            pictures(options.photos, options.out / f"pictures_{stage}", gan.upscale)
            record.write_text(json.dumps(found, indent=1))
        print(stage, json.dumps(found[stage]))
    if not options.keep_out:
        put_on_shelf(found, options)


if __name__ == "__main__":
    main()
