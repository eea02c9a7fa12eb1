"""How much one visitor may send, and how long it is kept."""

from math import isqrt

MAX_PIXELS = 8192 * 8192  # of an image
MAX_SIDE = isqrt(MAX_PIXELS)
MAX_FILE_MEGABYTES = 200
MAX_UPLOAD_MEGABYTES = 4096  # of one visitor, within KEEP_SECONDS
MAX_OBJECTS = 20_000  # measured at a time: a noisy mask has more than anybody looks at
COUNTED_AT_ONCE = 2048 * 2048  # pixels; objects of a larger image are counted on request
# A film is kept on the disk of the server for its hour, as pictures and as numbers of objects.
FILM_FRAMES = 2000
FILM_FRAME_PIXELS = 2048 * 2048
FILM_OBJECTS = 500_000  # of all frames: the page has a row of numbers for each
FILM_BYTES = 2 * 2**30
FILM_EDITS = 2000
# Sessions that Gradio remembers; each is some 250 kB, beside the results of `result_store`.
MAX_SESSIONS = 500
KEEP_SECONDS = 3600  # uploads and results are deleted after this
