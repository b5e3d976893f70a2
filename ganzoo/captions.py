"""Captions: their words, the numbers that stand for them, and what is wrong with them."""

import collections
import warnings

import keras
import numpy as np
import tensorflow as tf

from ganzoo.data import order_of

# what stands in place of a word that is not in the vocabulary; 0 is no word at all
UNKNOWN = 1


def standardise(captions):
    """Lower-case words with single spaces between; all but letters and digits parts words."""
    spaced = tf.strings.regex_replace(
        tf.strings.lower(captions, encoding="utf-8"), r"[^\p{L}\p{M}\p{N}]+", " "
    )
    return tf.strings.strip(spaced)


def vocabulary(captions, size):
    """The words of captions `(N,)`, the most frequent first, those of one count by the alphabet.

    Args:
        captions: strings.
        size: words to keep at most; a warning says so when there are more.
    """
    counts = collections.Counter()
    for caption in standardise(as_strings(captions)).numpy():
        counts.update(caption.decode().split())
    words = sorted(counts, key=lambda word: (-counts[word], word))
    if len(words) > size:
        warnings.warn(
            f"the captions hold {len(words):,} words, and vocabulary_size={size} takes the most "
            f"frequent: {len(words) - size:,} words, such as {words[size]!r}, stay unknown.",
            stacklevel=2,
        )
    return tuple(words[:size])


def as_strings(captions):
    """A string tensor `(N,)` from strings or bytes."""
    if not tf.is_tensor(captions):
        captions = [c if isinstance(c, bytes) else str(c).encode() for c in captions]
    return tf.convert_to_tensor(captions, tf.string)


class Words:
    """Turns captions into numbers. Not a Keras object, so that it is no part of saved files.

    Args:
        vocabulary: words; their numbers start at 2.
        length: words read of a caption; the rest is passed over.
    """

    def __init__(self, vocabulary, length):
        self.vocabulary = vocabulary
        self.layer = keras.layers.TextVectorization(
            standardize=standardise,
            output_sequence_length=length,
            vocabulary=list(vocabulary),
            dtype="int64",
        )

    def __call__(self, captions):
        """int32 `(N, length)` from a string tensor `(N,)`: 0 after the end, 1 for unknown words."""
        return tf.cast(self.layer(captions), tf.int32)


def is_strings(captions):
    """Whether these are captions, and not embeddings or numbers of words."""
    if tf.is_tensor(captions):
        return captions.dtype == tf.string
    return np.asarray(captions).dtype.kind in "USO"


def check_captions(captions, n, words=None):
    """Raises a ValueError unless `captions` are n strings with something in each; warns of those
    in which no word is known.

    Args:
        captions: strings `(n,)`.
        n: images. None for any number.
        words: a `Words`, or None while nothing is known.
    """
    shape = np.shape(captions)
    if len(shape) != 1:
        raise ValueError(f"captions of shape {shape}: want one string for each image, (N,).")
    if n is not None and shape[0] != n:
        raise ValueError(f"{shape[0]} captions for {n} images: want one for each.")
    captions = as_strings(captions)
    texts = [text.decode(errors="replace") for text in captions.numpy()]
    empty = [i for i, text in enumerate(texts) if not text.strip()]
    if empty:
        raise ValueError(
            f"caption {empty[0]} is empty ({len(empty)} of {len(texts)} are): describe the image, "
            "or leave it out."
        )
    if words is None:
        return
    lost = np.flatnonzero((words(captions).numpy() <= UNKNOWN).all(axis=1))
    if len(lost):
        shown = ", ".join(repr(texts[i]) for i in lost[:3]) + (", ..." if len(lost) > 3 else "")
        warnings.warn(
            f"no word is known of {len(lost)} of {len(texts)} captions ({shown}): they say nothing "
            "to the model, which goes on with what it has.",
            stacklevel=2,
        )


def check_embeddings(embeddings, width, n):
    """Raises a ValueError unless `embeddings` are finite floats `(n, width)`."""
    if tf.is_tensor(embeddings):
        embeddings = embeddings.numpy()
    embeddings = np.asarray(embeddings)
    if embeddings.ndim != 2 or embeddings.shape[1] != width:
        raise ValueError(
            f"embeddings of shape {embeddings.shape}: want (N, {width}). Build the model with the "
            "embedding_dim of yours."
        )
    if n is not None and len(embeddings) != n:
        raise ValueError(f"{len(embeddings)} embeddings for {n} images: want one for each.")
    if embeddings.dtype.kind != "f" and embeddings.dtype.name != "bfloat16":
        raise ValueError(f"embeddings of type {embeddings.dtype}: want floats (N, {width}).")
    if not np.isfinite(embeddings.astype("float32")).all():
        raise ValueError("embeddings that hold NaN or infinity: clean them.")


def split_pair(x, y):
    """`(images, captions)` from a tuple of both, or as given; lists of strings become arrays."""
    if y is None and isinstance(x, list | tuple) and len(x) == 2 and hasattr(x[0], "shape"):
        x, y = x
    return x, np.asarray(y) if isinstance(y, list | tuple) else y


def all_captions(data):
    """The captions of a data set of (images, captions), from one pass over it."""
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                "captions of a data set without an end cannot all be read for their words: call "
                "adapt(captions) first."
            )
        order = order_of(data)
        epoch = order and order.epoch
        found = [y for _, y in data.map(lambda *b: b[:2])] if len(data.element_spec) > 1 else []
        if order:
            order.epoch = epoch
    elif isinstance(data, keras.utils.PyDataset):
        found = [data[i][1] for i in range(len(data))]
    else:
        raise ValueError(
            "captions in a form that can be passed over only once: call adapt(captions) first."
        )
    return np.concatenate([np.asarray(y) for y in found])


class ReadBatches(keras.utils.PyDataset):
    """A PyDataset with a function applied to each batch."""

    def __init__(self, batches, function):
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self.batches, self.function = batches, function

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.function(self.batches[index])

    def on_epoch_end(self):
        self.batches.on_epoch_end()
