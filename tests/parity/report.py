"""Prints how far each family is from its reference: `python tests/parity/report.py`."""

import test_cyclegan_official
import test_pix2pix_official
import test_r3gan
import test_sagan
import test_sngan
import test_super_resolution


def table():
    """(family and reference, largest error of outputs and state, largest error of gradients)."""
    yield "SNGAN, pfnet-research (Chainer)", test_sngan.errors("chainer", 0), {}
    yield "SNGAN with classes, pfnet-research", test_sngan.errors("chainer", 3), {}
    yield "SNGAN with classes, mimicry", test_sngan.errors("mimicry", 3), {}
    yield "SAGAN, mimicry", test_sagan.errors(), {}
    yield "R3GAN, brownvc/R3GAN", *test_r3gan.errors(None)
    yield "R3GAN with classes, brownvc/R3GAN", *test_r3gan.errors(3)
    for family, source in (("SRGAN", "Lornatang/SRGAN-PyTorch"), ("ESRGAN", "XPixelGroup/BasicSR")):
        yield f"{family}, {source}", test_super_resolution.family_errors(family.lower()), {}
    yield "VGG19 features, torchvision", test_super_resolution.content_errors(), {}
    for family, module, names in (
        (
            "Pix2Pix",
            test_pix2pix_official,
            ("unet128", "patchgan70_bn_ndf8_in6", "pixel_bn_ndf8_in6"),
        ),
        ("CycleGAN", test_cyclegan_official, ("resnet9_in_ngf4", "resnet6_bn_ngf4")),
    ):
        for name in names:
            network, kind = module.case(name)
            outputs, gradient = test_pix2pix_official.errors(network, family.lower(), name, kind)
            label = f"{family} {name}, junyanz/pytorch-CycleGAN-and-pix2pix"
            yield label, outputs, {"gradient of the input": gradient}


if __name__ == "__main__":
    for name, outputs, gradients in table():
        shown = f"{max(gradients.values()):.0e}" if gradients else "-"
        print(f"{name:38} outputs {max(outputs.values()):.0e}   gradients {shown}")
