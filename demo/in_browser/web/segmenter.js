// The worker that segments, as the tab sees it: it starts with the first message, and again with
// the first one after it was stopped. That must not need the network, which may be off by then; so
// its modules are fetched once, and kept as Blobs.

const PROGRAM = new URL("./in_browser.worker.js", import.meta.url).href;
const IMPORT = /(\bfrom\s+)"(\.[^"]+)"/g;

export class Segmenter {
  /**
   * @param {(message: any) => void} heard Gets what the worker tells.
   * @param {(why: string) => void} failed Gets why it does not start, or has ended.
   */
  constructor(heard, failed) {
    this.heard = heard;
    this.failed = failed;
    /** @type {Promise<string> | null} */
    this.program = null;
    /** @type {Promise<Worker> | null} */
    this.worker = null;
  }

  /** Fetches the program, unless it is here. */
  prepare() {
    this.program ??= keptModule(PROGRAM);
    this.program.catch(() => { this.program = null; });  // a next time may go better
    return this.program;
  }

  /** @param {{act: string} & Record<string, unknown>} message */
  post(message) {
    const worker = (this.worker ??= this.start());
    worker.then((started) => {
      if (worker === this.worker) started.postMessage(message);
    }).catch((error) => {
      if (worker !== this.worker) return;
      this.worker = null;
      this.failed(error.message);
    });
  }

  /** Ends whatever it was doing; it knows nothing of it afterwards. */
  stop() {
    this.worker?.then((worker) => worker.terminate(), () => {});
    this.worker = null;
  }

  async start() {
    const fresh = new Worker(await this.prepare(), { type: "module" });
    fresh.onmessage = async ({ data }) => {
      if (await this.isCurrent(fresh)) this.heard(data);
    };
    fresh.onerror = async ({ message }) => {
      if (await this.isCurrent(fresh)) this.failed(message);
    };
    return fresh;
  }

  /**
   * What a worker that was stopped still tells is of no interest.
   *
   * @param {Worker} worker
   */
  async isCurrent(worker) {
    return await this.worker?.catch(() => null) === worker;
  }
}

/**
 * The address of a Blob that holds a module, its imports replaced by such addresses.
 *
 * @param {string} address
 * @param {Map<string, Promise<string>>} kept Those that are on their way already.
 * @returns {Promise<string>}
 */
export function keptModule(address, kept = new Map()) {
  const known = kept.get(address) ?? fetchModule(address, kept);
  kept.set(address, known);
  return known;
}

/**
 * @param {string} address
 * @param {Map<string, Promise<string>>} kept
 */
async function fetchModule(address, kept) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`status ${response.status} of ${address}`);
  const text = await response.text();
  const names = [...text.matchAll(IMPORT)].map(([, , name]) => name);
  const found = new Map(await Promise.all(names.map(async (name) => {
    const blob = await keptModule(new URL(name, address).href, kept);
    return /** @type {const} */ ([name, blob]);
  })));
  const whole = text.replace(IMPORT, (_, from, name) => `${from}"${found.get(name)}"`);
  return URL.createObjectURL(new Blob([whole], { type: "text/javascript" }));
}
