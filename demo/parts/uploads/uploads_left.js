// How much a visitor may still send within the hour; the server counts it, see upload_budget.py.

const ADDRESS = "/uploads_left";

export class UploadsLeft {
  bytes = Infinity;  // as far as is known here

  /** Asks the server. */
  async ask() {
    const { gradio_config: config } = /** @type {any} */ (window);
    this.bytes = Infinity;
    try {
      const answer = await fetch(`${config?.root ?? ""}${ADDRESS}`);
      if (answer.ok) this.bytes = (await answer.json()).bytes;
    } catch { /* then it says so when it is sent too much */ }
  }

  /** @param {{size: number}[]} files */
  covers(files) {
    return sizeOf(files) <= this.bytes;
  }

  /** @param {{size: number}[]} files That are sent. */
  spend(files) {
    this.bytes -= sizeOf(files);
  }
}

/** @param {{size: number}[]} files */
export function sizeOf(files) {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/**
 * What is said of files that are too much for an hour.
 *
 * @param {number} size Bytes.
 * @param {number} left Bytes.
 * @param {number} gigabytes
 */
export function tooMuch(size, left, gigabytes) {
  const [asked, free] = [size, left].map((bytes) => Math.floor(bytes / 2 ** 20));
  return `These are ${asked} MB. Uploads are kept for an hour, and ${gigabytes} GB of each visitor's`
    + ` at a time; ${free} MB are left. Nothing was sent. Send less, or wait until the earlier ones`
    + " are deleted.";
}
