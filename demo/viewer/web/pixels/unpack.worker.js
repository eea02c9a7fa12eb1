// The worker of `newUnpacker`: arrays are handed over, not copied.

import { unpacked } from "./unpack.js";

onmessage = async ({ data: { number, content, how } }) => {
  try {
    const found = await unpacked(content, how);
    const arrays = [...Object.values(found.planes), ...found.levels.map(({ values }) => values)];
    postMessage({ number, found }, [...new Set(arrays.map((array) => array.buffer))]);
  } catch (error) {
    postMessage({ number, error: error instanceof Error ? error.message : String(error) });
  }
};
postMessage({ ready: true });
