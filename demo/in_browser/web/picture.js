// From a file to pixels, in the browser: what it decodes as Python would. Anything else is refused,
// in a sentence that says where it can be segmented.

const MOST_SIDE = 4096;
const HEAD = 2 ** 20;  // bytes in which a file says what it is

/**
 * @typedef {object} Picture
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {number} channels 1 or 3.
 * @property {Uint8Array} pixels (height, width, channels)
 */

/** A file that is not read here; the message says why, and where it can be segmented. */
export class Refused extends Error {}

/**
 * @param {{name: string}} file
 * @param {string} why
 * @returns {never}
 */
function refuse(file, why) {
  throw new Refused(`${file.name} ${why}. Here it has to be an 8-bit PNG, JPEG, WebP or BMP of at`
    + ` most ${MOST_SIDE} × ${MOST_SIDE} pixels. Under Segment more is read, but that sends it to`
    + " the server.");
}

/**
 * @param {File} file
 * @returns {Promise<Picture>}
 */
export async function readPicture(file) {
  if (!file.size) refuse(file, "is empty");
  const head = new DataView(await file.slice(0, HEAD).arrayBuffer());
  const { channels, width = 0, height = 0 } = described(file, head);
  checkSize(file, width, height);
  if (!canvasIsExact()) {
    throw new Refused("This browser changes pixels before it hands them to a page, so as not to be"
      + " recognised by them. Allow this page to read canvases, or use the tab Segment.");
  }
  const bitmap = await decoded(file);
  checkSize(file, bitmap.width, bitmap.height);
  const rgba = pixelsOf(bitmap);
  const count = bitmap.width * bitmap.height, pixels = new Uint8Array(count * channels);
  for (let i = 0, j = 0; i < count; i++) {
    if (rgba[4 * i + 3] !== 255) {
      refuse(file, "is transparent in places, where a browser does not keep the colours");
    }
    for (let c = 0; c < channels; c++) pixels[j++] = rgba[4 * i + c];
  }
  return { name: file.name, width: bitmap.width, height: bitmap.height, channels, pixels };
}

/**
 * @param {{name: string}} file
 * @param {number} width
 * @param {number} height
 */
function checkSize(file, width, height) {
  if (width > MOST_SIDE || height > MOST_SIDE) refuse(file, `has ${width} × ${height} pixels`);
}

/**
 * What the file's first bytes say. Python sees one channel where a file has one.
 *
 * @param {{name: string}} file
 * @param {DataView} head
 * @returns {{channels: number, width?: number, height?: number}}
 */
export function described(file, head) {
  const starts = (/** @type {(number | null)[]} */ ...bytes) => head.byteLength > 30
    && bytes.every((byte, at) => byte === null || head.getUint8(at) === byte);
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) {
    if (head.getUint8(24) === 16) {
      refuse(file, "has 16 bits a channel, which a browser would cut to 8");
    }
    const gray = [0, 4].includes(head.getUint8(25));
    return { channels: gray ? 1 : 3, width: head.getUint32(16), height: head.getUint32(20) };
  }
  if (starts(0xff, 0xd8, 0xff)) return describedJpeg(file, head);
  if (starts(0x52, 0x49, 0x46, 0x46, null, null, null, null, 0x57, 0x45, 0x42, 0x50)) {
    const extended = head.getUint8(15) === 0x58;  // "VP8X"
    const flags = extended ? head.getUint8(20) : 0;
    if (flags & 2) refuse(file, "is an animation");
    if (flags & 8) refuse(file, "is a WebP with EXIF, which may turn it where a browser does not");
    return { channels: 3 };
  }
  if (starts(0x42, 0x4d)) {
    const bits = head.getUint16(28, true);
    if (![1, 4, 8, 24].includes(bits)) refuse(file, `is a BMP of ${bits} bits a pixel`);
    const width = head.getInt32(18, true), height = Math.abs(head.getInt32(22, true));
    return { channels: 3, width, height };
  }
  const tiff = starts(0x49, 0x49) || starts(0x4d, 0x4d), npy = starts(0x93, 0x4e);
  refuse(file, tiff ? "is a TIFF" : npy ? "is an NPY file" : "is of another kind");
}

/**
 * Segment by segment to the one that has the size.
 *
 * @param {{name: string}} file
 * @param {DataView} head
 */
function describedJpeg(file, head) {
  let at = 2;
  while (at + 10 < head.byteLength && head.getUint8(at) === 0xff) {
    const marker = head.getUint8(at + 1);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const channels = head.getUint8(at + 9);
      if (![1, 3].includes(channels)) refuse(file, `is a JPEG of ${channels} channels`);
      return { channels, width: head.getUint16(at + 7), height: head.getUint16(at + 5) };
    }
    at += marker === 0xff ? 1 : 2 + head.getUint16(at + 2);
  }
  refuse(file, "does not say how large it is");
}

/** @param {File} file */
async function decoded(file) {
  try {
    return await createImageBitmap(file, {
      colorSpaceConversion: "none", premultiplyAlpha: "none",
    });
  } catch {
    throw new Refused(`${file.name} cannot be decoded: it is damaged or cut off. Copy it again, or`
      + " export it as PNG.");
  }
}

/** @param {ImageBitmap} bitmap */
function pixelsOf(bitmap) {
  const context = newContext(bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

/**
 * @param {number} width
 * @param {number} height
 */
function newContext(width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("it has no canvas for so many pixels");
  return context;
}

// Some browsers add noise to what is read back, against pages that recognise them by it.
function canvasIsExact() {
  const context = newContext(256, 64), pattern = context.createImageData(256, 64);
  for (let i = 0; i < pattern.data.length; i++) {
    pattern.data[i] = i % 4 === 3 ? 255 : (i * 7 + (i >> 9)) & 255;
  }
  context.putImageData(pattern, 0, 0);
  const back = context.getImageData(0, 0, 256, 64).data;
  return back.every((value, at) => value === pattern.data[at]);
}
