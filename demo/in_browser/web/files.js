// Files to take home, written in the browser. A canvas would write a PNG, too, but of colours: what
// counts here are the numbers.

const CRC = Uint32Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** @param {Uint8Array} bytes */
export function crc32(bytes) {
  let value = ~0;
  for (const byte of bytes) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}

/**
 * (height, width) class ids as an indexed PNG of those very numbers, as `Segmentation.mask_image`
 * has it.
 *
 * @param {Uint8Array} values
 * @param {number} width
 * @param {number} height
 * @param {string[]} colors "#rrggbb" by class id.
 */
export async function png(values, width, height, colors) {
  const rows = new Uint8Array(height * (width + 1));  // before each row a 0: it is not filtered
  for (let y = 0; y < height; y++) {
    rows.set(values.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  const deflated = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const header = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 8, 3, 0, 0, 0]);  // 8 bits, indexed
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  return new Blob([
    new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    ...chunk("IHDR", header),
    ...chunk("PLTE", Uint8Array.from(colors.flatMap(channelsOf))),
    ...chunk("IDAT", new Uint8Array(await new Response(deflated).arrayBuffer())),
    ...chunk("IEND", new Uint8Array(0)),
  ], { type: "image/png" });
}

/** @param {string} color "#rrggbb" */
function channelsOf(color) {
  return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
}

/**
 * @param {string} kind
 * @param {Uint8Array} content
 */
function chunk(kind, content) {
  const named = new Uint8Array(4 + content.length);
  named.set(new TextEncoder().encode(kind));
  named.set(content, 4);
  return [bigEndian(content.length), named, bigEndian(crc32(named))];
}

/** @param {number} number */
function bigEndian(number) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/**
 * float32 of any shape as NumPy saves it.
 *
 * @param {Float32Array<ArrayBuffer>} values
 * @param {number[]} shape
 */
export function npy(values, shape) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const length = 64 * Math.ceil((10 + text.length + 1) / 64) - 10;
  const header = new TextEncoder().encode(`${text.padEnd(length - 1)}\n`);
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0];  // "NUMPY", version 1.0
  const start = new Uint8Array([...magic, length & 255, length >> 8]);
  return new Blob([start, header, values], { type: "application/octet-stream" });
}

/**
 * What a file about a picture is called: "cells.tif", "mask.png" -> "cells_mask.png".
 *
 * @param {string} picture
 * @param {string} kind
 */
export function nameOf(picture, kind) {
  return `${picture.replace(/\.[^.]*$/, "")}_${kind}`;
}
