"""Loading from disk: folders, pairs, captions, npz, files that are not as they should be."""

import io
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from real_files import garments, in_colour, packed, plain, whole, write

from ganzoo import data


@pytest.fixture(scope="module")
def grey():
    return garments()


@pytest.fixture(scope="module")
def colour(grey):
    return in_colour(grey)


# --- folders


def test_class_folders(tmp_path, grey):
    for number, name in enumerate(("shoe", "bag", "coat")):
        write(tmp_path / name, grey[number * 10 : number * 10 + 5])
    (tmp_path / ".hidden").mkdir()
    images, labels = plain(tmp_path)
    assert labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5  # bag, coat, shoe
    np.testing.assert_array_equal(images[..., 0], grey[[*range(10, 15), *range(20, 25), *range(5)]])
    (alone,) = plain(str(tmp_path), labels=False)
    np.testing.assert_array_equal(alone, images)
    assert data.inspect(tmp_path).classes == {"bag": 5, "coat": 5, "shoe": 5}
    with pytest.raises(ValueError, match=r"labels='hair' names an array"):
        data.load(tmp_path, labels="hair")
    with pytest.raises(ValueError, match=r"no split 'test'; it has only 'train'"):
        data.load(tmp_path, split="test")


def test_flat_and_split_folders(tmp_path, grey):
    np.testing.assert_array_equal(plain(write(tmp_path / "flat", grey))[0], grey[..., None])
    for name in ("bag", "shoe"):
        write(tmp_path / "set/train" / name, grey[:3])
    write(tmp_path / "set/test/shoe", grey[:2])
    write(tmp_path / "set/notes", grey[:1])  # neither a split nor, beside splits, a class
    assert plain(tmp_path / "set")[1].tolist() == [0] * 3 + [1] * 3
    assert plain(tmp_path / "set", split="test")[1].tolist() == [1, 1]  # still shoe
    with pytest.raises(ValueError, match=r"no split 'val'; it has 'test', 'train'"):
        data.load(tmp_path / "set", split="val")


def test_unpaired_folders(tmp_path, grey, colour):
    write(tmp_path / "trainA", grey[:9])
    write(tmp_path / "trainB", colour[:4])
    write(tmp_path / "testA", grey[:2])
    write(tmp_path / "testB", grey[:2])
    dataset = data.load(tmp_path, batch_size=2, seed=3)
    a, b = dataset.element_spec
    assert a.shape == (2, 28, 28, 1)
    assert b.shape == (2, 28, 28, 3)
    assert dataset.cardinality() == 4
    a, b = plain(tmp_path, shuffle=True)
    assert len(a) == len(b) == 9
    assert {image.tobytes() for image in a} == {image.tobytes() for image in grey[:9]}
    assert {image.tobytes() for image in b[:4]} == {image.tobytes() for image in colour[:4]}
    assert {image.tobytes() for image in b[4:8]} == {image.tobytes() for image in colour[:4]}
    with pytest.raises(ValueError, match=r"no split 'val'; it has 'test', 'train'"):
        data.load(tmp_path, split="val")
    report = data.inspect(tmp_path, split="train")
    assert report.kind == "unpaired"
    assert report.count == (9, 4)


@pytest.mark.parametrize("inside", ["", "train"])
def test_pairs_by_name(tmp_path, grey, colour, inside):
    write(tmp_path / "A" / inside, grey[:6])
    write(tmp_path / "B" / inside, colour[:6])
    a, b = whole(data.load(tmp_path, batch_size=3, flip=True, crop=(20, 20)))
    for one, other in zip(a, b, strict=True):  # the red channel of colour[k] is grey[k]
        np.testing.assert_array_equal(one[..., 0], other[..., 0])
    a, b = plain(tmp_path)
    np.testing.assert_array_equal(a[..., 0], grey[:6])
    np.testing.assert_array_equal(b, colour[:6])
    (tmp_path / "B" / inside / "003.png").unlink()
    (tmp_path / "A" / inside / "005.png").unlink()
    with pytest.raises(ValueError, match=r"A.*003.png has no partner .*B.* \(2 such files\)"):
        data.load(tmp_path)


def test_a_bad_half_of_a_pair_leaves_the_pair_out(tmp_path, grey, colour):
    write(tmp_path / "A", grey[:6])
    write(tmp_path / "B", colour[:6])
    (tmp_path / "A/001.png").write_text("not a picture")
    with pytest.warns(UserWarning, match=r"1 file skipped .A/001.png: not an image"):
        a, b = plain(tmp_path)
    np.testing.assert_array_equal(a[..., 0], grey[[0, 2, 3, 4, 5]])
    np.testing.assert_array_equal(b, colour[[0, 2, 3, 4, 5]])


def test_side_by_side(tmp_path, grey):
    both = np.concatenate([grey[:10], 255 - grey[:10]], axis=2)
    write(tmp_path, both)
    for options in ({}, {"cache_bytes": 0}, {"image_shape": (28, 28, 1)}):
        left, right = plain(tmp_path, pairs="side_by_side", **options)
        np.testing.assert_array_equal(left[..., 0], grey[:10])
        np.testing.assert_array_equal(right[..., 0], 255 - grey[:10])
    left, right = whole(
        data.load(tmp_path, pairs="side_by_side", batch_size=5, flip=True, crop=(20, 20))
    )
    np.testing.assert_array_equal(left, 255 - right)
    left, right = plain(both, pairs="side_by_side")
    np.testing.assert_array_equal(right[..., 0], 255 - grey[:10])
    assert plain(tmp_path, pairs="side_by_side", image_shape=(14, 14, 3))[1].shape == (
        10,
        14,
        14,
        3,
    )
    Image.fromarray(both[0, :, :-1]).save(tmp_path / "odd.png")
    with pytest.warns(UserWarning, match=r"odd.png: is 55 pixels wide, which has no two halves"):
        assert len(plain(tmp_path, pairs="side_by_side")[0]) == 10
    assert data.inspect(tmp_path, pairs="side_by_side").kind == "pairs"


@pytest.mark.parametrize(
    ("name", "line", "heading"),
    [
        ("captions.txt", "{}\t{}", ""),
        ("captions.csv", '{},"{}"', "image,caption\n"),
        ("captions.tsv", "{}\t{}", "file\tcaption\n"),
        ("captions.txt", "{},{}", ""),
    ],
)
def test_captions(tmp_path, grey, name, line, heading):
    write(tmp_path / "images", grey[:5])
    texts = [f"a garment, number {k}" for k in range(5)]
    lines = [line.format(f"images/{k:03}.png", text) for k, text in enumerate(texts)]
    (tmp_path / name).write_text(heading + "\n".join(lines) + "\n\n", encoding="utf-8")
    for spec in (tmp_path, tmp_path / name):
        images, captions = plain(spec)
        np.testing.assert_array_equal(images[..., 0], grey[:5])
        assert [caption.decode() for caption in captions] == texts
    assert len(plain(tmp_path, labels=False)) == 1
    with open(tmp_path / name, "a") as file:
        file.write(line.format("images/none.png", "nothing") + "\nimages/001.png\n")
    with pytest.warns(UserWarning, match=r"2 files skipped .*none.png: no such file; .*has no cap"):
        assert len(plain(tmp_path)[0]) == 5
    assert data.inspect(tmp_path).kind == "captions"


# --- files that are not as they should be


def files_of_all_kinds(folder, grey, colour):
    """Good files of unusual kinds, each with what it must become, uint8 (28, 28, 3)."""
    folder.mkdir()
    three = np.repeat(grey[0][..., None], 3, -1)
    image, expected = Image.fromarray(colour[0]), {}
    image.save(folder / "colour.png")
    expected["colour.png"] = colour[0]
    Image.fromarray(grey[0]).save(folder / "grey.png")
    expected["grey.png"] = three
    Image.fromarray(grey[0].astype("uint16") * 257).save(folder / "grey16.png")
    expected["grey16.png"] = three
    wide = tf.io.encode_png(colour[0].astype("uint16") * 257).numpy()
    (folder / "colour16.png").write_bytes(wide)
    expected["colour16.png"] = colour[0]
    # value / 257 to the nearest: 200 is 1 and 65,300 is 254; their high bytes are 0 and 255
    wide = np.stack([np.full((28, 28), value, "uint16") for value in (200, 65300, 200)], axis=-1)
    (folder / "rounded16.png").write_bytes(tf.io.encode_png(wide).numpy())
    expected["rounded16.png"] = np.broadcast_to([1, 254, 1], (28, 28, 3))
    wide = np.dstack([grey[0], np.full((28, 28), 255)]).astype("uint16") * 257
    (folder / "solid16.png").write_bytes(tf.io.encode_png(wide).numpy())
    expected["solid16.png"] = three
    Image.fromarray(np.where(grey[0] > 99, 255, 0).astype("uint8")).convert("1").save(
        folder / "bits.png"
    )
    expected["bits.png"] = np.where(three > 99, 255, 0)
    Image.fromarray(grey[0].astype("uint16") * 257).save(folder / "grey16.tif")
    expected["grey16.tif"] = three
    Image.fromarray(np.dstack([colour[0], np.zeros((28, 28), "uint8")])).save(folder / "clear.png")
    expected["clear.png"] = np.full((28, 28, 3), 255)
    palette = Image.fromarray(np.where(grey[0] > 99, 1, 0).astype("uint8")).convert("P")
    palette.putpalette([250, 20, 30, 40, 50, 240])
    palette.save(folder / "palette.png")
    colours = np.array([[250, 20, 30], [40, 50, 240]])
    expected["palette.png"] = colours[np.where(grey[0] > 99, 1, 0)]
    palette.save(folder / "moving.gif", save_all=True, append_images=[image.convert("P")] * 2)
    expected["moving.gif"] = expected["palette.png"]
    return expected


def test_unusual_kinds_are_converted(tmp_path, grey, colour):
    expected = files_of_all_kinds(tmp_path / "kinds", grey, colour)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        (images,) = plain(tmp_path / "kinds", strict=True)
    assert images.shape == (len(expected), 28, 28, 3)
    for name, image in zip(sorted(expected), images, strict=True):
        np.testing.assert_array_equal(image, expected[name], err_msg=name)
    report = data.inspect(tmp_path / "kinds")
    assert report.count == (11,)
    assert report.bad == []
    assert {"RGB", "L", "P", "1", "RGBA"} <= set(report.modes)


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red.save(tmp_path / "red.jpg", quality=100)
    (image,) = plain(tmp_path)
    np.testing.assert_allclose(image, np.broadcast_to([255, 0, 0], (1, 16, 16, 3)), atol=6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, grey, orientation):
    image = grey[0][:20]  # not square, so that a turn shows in the shape, too
    # what each orientation says of the stored rows and columns (EXIF 2.3, table 4)
    stored = {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.T,
        6: np.rot90(image),
        7: image[::-1, ::-1].T,
        8: np.rot90(image, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(plain(tmp_path)[0][0, ..., 0], image)
    assert list(data.inspect(tmp_path).sizes) == [(20, 28)]


@pytest.fixture
def bad_folder(tmp_path, grey, colour):
    """12 good colour images, and five files that cannot be used."""
    folder = write(tmp_path / "bad", colour[:12])
    (folder / "notes.txt").write_text("these are garments")
    (folder / "empty.png").write_bytes(b"")
    jpeg = io.BytesIO()
    Image.fromarray(colour[0]).resize((200, 200)).resize((28, 28)).save(jpeg, "JPEG", quality=95)
    (folder / "truncated.jpg").write_bytes(jpeg.getvalue()[: len(jpeg.getvalue()) * 2 // 3])
    whole_png = (folder / "001.png").read_bytes()
    (folder / "half.png").write_bytes(whole_png[: len(whole_png) // 2])
    Image.fromarray(grey[0].astype("float32")).save(folder / "floats.tif")
    return folder


def test_bad_files_are_named_counted_and_skipped(bad_folder, colour):
    with pytest.warns(UserWarning, match=r"5 files skipped") as caught:
        dataset = data.load(bad_folder, shuffle=False)
    (images,) = whole(dataset)
    (message,) = [str(w.message) for w in caught if w.category is UserWarning]
    assert "5 files skipped" in message
    assert "\n" not in message
    assert "empty.png: not an image; floats.tif: 32-bit" in message
    assert "and 2 more" in message
    np.testing.assert_array_equal(images, colour[:12])
    assert caught[0].filename == __file__  # points at who called


def test_strict_ends_the_run(bad_folder):
    with pytest.raises(ValueError, match=r"5 files cannot be used .empty.png"):
        data.load(bad_folder, strict=True)


def test_inspect_reports_bad_files(bad_folder, colour, grey):
    Image.fromarray(colour[3]).save(bad_folder / "twice.png")
    Image.new("RGB", (28, 28), "navy").save(bad_folder / "blank.png")
    Image.fromarray(grey[0]).save(bad_folder / "grey.png")
    report = data.inspect(bad_folder)
    assert report.count == (15,)
    assert report.duplicates == 1
    assert report.blank == ["blank.png"]
    assert sorted(name for name, _ in report.bad) == [
        "empty.png",
        "floats.tif",
        "half.png",
        "notes.txt",
        "truncated.jpg",
    ]
    reasons = dict(report.bad)
    assert reasons["notes.txt"] == "not an image"
    assert "truncated" in reasons["truncated.jpg"]
    assert report.modes == {"RGB": 14, "L": 1}
    assert report.sizes == {(28, 28): 15}
    assert report.image_shape == (28, 28, 3)
    assert report.value_range == (0, 255)
    text = str(report)
    assert "L (1)" in text
    assert "notes.txt: not an image" in text
    assert "blank.png" in text


def test_set_without_a_usable_image(tmp_path):
    with pytest.raises(ValueError, match=r"holds no image; wanted image files"):
        data.load(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(ValueError, match=r"no usable image .notes.txt: not an image"):
        data.load(tmp_path)
    assert data.inspect(tmp_path).count == (0,)
    assert "1: notes.txt" in str(data.inspect(tmp_path))


def test_files_beside_class_folders_are_named(tmp_path, grey):
    write(tmp_path / "bag", grey[:3])
    (tmp_path / "README.txt").write_text("bags")
    with pytest.warns(UserWarning, match=r"README.txt: lies beside the class folders"):
        assert len(plain(tmp_path)[0]) == 3


def test_differing_sizes_say_what_to_pass(tmp_path, grey):
    write(tmp_path, grey[:5])
    write(tmp_path, grey[5:7, :20], start=5)
    match = r"2 sizes \(height x width: 28x28 \(5\), 20x28 \(2\)\).*image_shape=\(28, 28, 1\)"
    with pytest.raises(ValueError, match=match):
        data.load(tmp_path)
    assert plain(tmp_path, image_shape=(16, 16, 1))[0].shape == (7, 16, 16, 1)
    for cache in (0, 2**30):
        assert plain(tmp_path, crop=(16, 12), cache_bytes=cache)[0].shape == (7, 16, 12, 1)
    with pytest.warns(UserWarning, match=r"is 20x28, too small for the crop 24x24"):
        assert len(plain(tmp_path, crop=(24, 24))[0]) == 5


def test_cached_and_uncached_are_the_same(tmp_path, grey):
    write(tmp_path, grey)
    options = {"batch_size": 8, "image_shape": (20, 20, 3), "flip": True, "crop": (16, 16)}
    options["drop_remainder"] = False
    cached = data.load(tmp_path, **options)
    lazy = data.load(tmp_path, cache_bytes=0, **options)
    for _ in range(2):
        np.testing.assert_array_equal(whole(cached)[0], whole(lazy)[0])
    # the first reads no file once it is loaded, the second does
    (tmp_path / "000.png").unlink()
    assert len(whole(cached)[0]) == 60
    with pytest.raises(tf.errors.OpError, match=r"000\.png"):
        whole(lazy)


# --- npz


def test_npz_of_arrays(tmp_path, grey, colour):
    np.savez(
        tmp_path / "set.npz",
        x_train=grey,
        y_train=np.arange(60, dtype="uint8"),
        x_test=grey[:5],
        caption_train=np.array([f"number {k}" for k in range(60)]),
        class_names=np.array([f"kind {k}" for k in range(60)]),
    )
    images, labels = plain(tmp_path / "set.npz")
    np.testing.assert_array_equal(images, grey[..., None])
    assert labels.dtype == np.int32
    assert labels.tolist() == list(range(60))
    assert len(plain(tmp_path / "set.npz", split="test")) == 1
    captions = plain(tmp_path / "set.npz", labels="caption")[1]
    assert captions[7] == b"number 7"
    with pytest.raises(ValueError, match=r"no labels 'hair' for 'train'; it has: 'caption', 'y'"):
        data.load(tmp_path / "set.npz", labels="hair")
    with pytest.raises(ValueError, match=r"no split 'val'; it has 'test', 'train'"):
        data.load(tmp_path / "set.npz", split="val")
    assert list(data.inspect(tmp_path / "set.npz").classes)[:2] == ["kind 0", "kind 1"]


@pytest.mark.parametrize("cache_bytes", [0, 2**30])
def test_npz_of_packed_files(tmp_path, colour, cache_bytes):
    buffer, offsets = packed(colour)
    np.savez(
        tmp_path / "set.npz",
        train_png=buffer,
        train_offsets=offsets,
        train_y=np.arange(20),
        train_hair=np.arange(20) % 3,
        hair_names=np.array(["black", "blonde", "red"]),
    )
    images, labels = plain(tmp_path / "set.npz", cache_bytes=cache_bytes)
    np.testing.assert_array_equal(images, colour)
    assert labels.tolist() == list(range(20))
    hair = plain(tmp_path / "set.npz", labels="hair", cache_bytes=cache_bytes)[1]
    assert hair.tolist() == [k % 3 for k in range(20)]
    assert data.inspect(tmp_path / "set.npz", labels="hair").classes == {
        "black": 7,
        "blonde": 7,
        "red": 6,
    }


def test_npz_of_unpaired_jpeg(tmp_path, grey, colour):
    arrays = {}
    for side, images in (("A", grey[:6]), ("B", colour[:9])):
        arrays[f"train{side}_jpeg"], arrays[f"train{side}_offsets"] = packed(images, "JPEG")
    np.savez(tmp_path / "set.npz", **arrays)
    a, b = plain(tmp_path / "set.npz", image_shape=(28, 28, 3))
    assert a.shape == b.shape == (9, 28, 28, 3)
    # JPEG is lossy; noise-like channels of three garments lose most
    assert np.abs(b.astype(int) - colour[:9]).mean() < 20
    with pytest.raises(ValueError, match=r"no split 'test'; it has 'train'"):
        data.load(tmp_path / "set.npz", split="test")


def test_bad_packed_image_is_named(tmp_path, colour):
    buffer, offsets = packed(colour)
    buffer = buffer.copy()
    buffer[offsets[4] : offsets[4] + 8] = 0
    np.savez(tmp_path / "set.npz", train_png=buffer, train_offsets=offsets, train_y=np.arange(20))
    with pytest.warns(UserWarning, match=r"image 4 of train_png of set.npz: not an image"):
        images, labels = plain(tmp_path / "set.npz")
    np.testing.assert_array_equal(images, np.delete(colour, 4, 0))
    assert labels.tolist() == [k for k in range(20) if k != 4]


def test_wrong_npz(tmp_path, grey):
    path = tmp_path / "set.npz"
    np.savez(path, x_train=np.array([{"an": "object"}, None], dtype=object))
    with pytest.raises(ValueError, match=r"needs pickle for 'x_train'"):
        data.load(path)
    np.savez(path, pictures=grey)
    with pytest.raises(ValueError, match=r"holds pictures; wanted x_train"):
        data.load(path)
    np.savez(path, x_train=grey, y_train=np.arange(59))
    with pytest.raises(ValueError, match=r"'y_train' of .*set.npz: 59 for 60 images"):
        data.load(path)
    np.savez(path, train_png=packed(grey)[0])
    with pytest.raises(ValueError, match=r"but not 'train_offsets'"):
        data.load(path)
    buffer, offsets = packed(grey)
    np.savez(path, train_png=buffer[:-9], train_offsets=offsets)
    with pytest.raises(ValueError, match=r"'train_offsets' does not fit"):
        data.load(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"set.npz"):
        data.load(path)
    path.write_text("no archive at all")
    with pytest.raises(ValueError, match=r"set.npz"):
        data.load(path)


# --- names and paths


def test_unknown_names_and_paths(tmp_path):
    with pytest.raises(ValueError, match=r"unknown data set 'fashion_mnist'.*'fashion_mnist_10k'"):
        data.load("fashion_mnist")
    with pytest.raises(FileNotFoundError, match=r"no such file or folder: .*nowhere"):
        data.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no such file or folder: nowhere.npz"):
        data.load("nowhere.npz")
    with pytest.raises(ValueError, match=r"no split 'val'; it has 'test', 'train'"):
        data.load(split="val")
    (tmp_path / "model.h5").write_text("weights")
    with pytest.raises(ValueError, match=r"neither an .npz, a captions file nor a folder"):
        data.load(tmp_path / "model.h5")


def test_decode_takes_paths_bytes_and_arrays(tmp_path, colour):
    folder = write(tmp_path, colour[:1])
    file = folder / "000.png"
    for image in (file, str(file), file.read_bytes(), colour[0]):
        np.testing.assert_array_equal(np.asarray(data.decode(image)), colour[0])
    with pytest.raises(OSError, match=r"^cannot identify an image in this file$"):
        data.decode(b"no image")
    with pytest.raises(FileNotFoundError):
        data.decode(tmp_path / "none.png")
