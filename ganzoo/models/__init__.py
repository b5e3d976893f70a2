"""All families, one file each. `MODELS` is what the tests, the command line and the docs go by."""

# registered with the families, because their files may hold it
import ganzoo.augment  # noqa: F401
from ganzoo.models.acgan import ACGAN
from ganzoo.models.cgan import CGAN
from ganzoo.models.cyclegan import CycleGAN
from ganzoo.models.dcgan import DCGAN
from ganzoo.models.esrgan import ESRGAN
from ganzoo.models.fcgan import FCGAN
from ganzoo.models.infogan import InfoGAN
from ganzoo.models.lsgan import LSGAN
from ganzoo.models.pix2pix import Pix2Pix
from ganzoo.models.r3gan import R3GAN
from ganzoo.models.sagan import SAGAN
from ganzoo.models.sngan import SNGAN
from ganzoo.models.srgan import SRGAN
from ganzoo.models.textgan import TextGAN
from ganzoo.models.wgan import WGAN
from ganzoo.models.wgan_gp import WGANGP

MODELS = (
    FCGAN,
    DCGAN,
    CGAN,
    ACGAN,
    InfoGAN,
    LSGAN,
    WGAN,
    WGANGP,
    SNGAN,
    SAGAN,
    R3GAN,
    Pix2Pix,
    CycleGAN,
    SRGAN,
    ESRGAN,
    TextGAN,
)
