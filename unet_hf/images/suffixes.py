"""What the names of image files end in."""

# The files of a data set's folders of images and masks, which are paired by name.
PAIRED_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".pbm",
)  # fmt: skip
# What is taken from a folder of images; a file that is named is taken whatever its ending.
IMAGE_SUFFIXES = (
    *PAIRED_SUFFIXES, ".jfif", ".lsm", ".stk", ".npy", ".jp2", ".pnm", ".tga", ".avif", ".psd",
)  # fmt: skip
# Formats whose files can be copied as they are, by Pillow's name.
SUFFIX_OF_FORMAT = {
    "PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "BMP": ".bmp", "GIF": ".gif",
    "WEBP": ".webp", "PPM": ".ppm",
}  # fmt: skip
