"""Small TFDS sets made of embedded images. A package, because TFDS reads a builder's folder."""
