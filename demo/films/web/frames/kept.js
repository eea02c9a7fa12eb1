// Frames in memory: those that are wanted are loaded, a few at a time, and the ones that were used
// last are kept.

const AT_ONCE = 4;  // frames on the way
const REST = 2000;  // milliseconds after a failure, before the frame is asked for again

/** @template Kind */
export class Kept {
  /**
   * @param {(frame: number) => Promise<Kind>} load
   * @param {number} most That are kept.
   * @param {(frame: number, error?: unknown) => void} came
   * @param {(one: Kind) => void} [drop] What is done with one that is not kept any longer.
   */
  constructor(load, most, came, drop) {
    this.load = load;
    this.came = came;
    this.drop = drop ?? (() => {});
    this.most = most;
    /** @type {Map<number, Kind>} The last one was used last. */
    this.there = new Map();
    /** @type {Set<number>} */
    this.onTheWay = new Set();
    /** @type {Map<number, number>} When a frame failed, in milliseconds. */
    this.failed = new Map();
    /** @type {number[]} */
    this.wanted = [];
    this.closed = false;
  }

  /**
   * The frames that are needed now, the most urgent first. What was wanted before and is not on its
   * way yet is forgotten.
   *
   * @param {number[]} frames
   */
  want(frames) {
    this.wanted = frames.slice(0, this.most);
    this.loadMore();
  }

  /** @param {number} frame */
  get(frame) {
    const one = this.there.get(frame);
    if (one === undefined) return null;
    this.there.delete(frame);
    this.there.set(frame, one);
    return one;
  }

  /** @param {number} frame */
  has(frame) {
    return this.there.has(frame);
  }

  loadMore() {
    const now = performance.now();
    for (const frame of this.wanted) {
      if (this.onTheWay.size >= AT_ONCE || this.closed) return;
      const rests = now - (this.failed.get(frame) ?? -Infinity) < REST;
      if (!rests && !this.there.has(frame) && !this.onTheWay.has(frame)) this.loadOne(frame);
    }
  }

  /** @param {number} frame */
  async loadOne(frame) {
    this.onTheWay.add(frame);
    let error;
    try {
      const one = await this.load(frame);
      if (this.closed) return this.drop(one);
      this.failed.delete(frame);
      this.there.set(frame, one);
      this.forget();
    } catch (reason) {
      error = reason;
      this.failed.set(frame, performance.now());
      setTimeout(() => this.loadMore(), REST);
    }
    this.onTheWay.delete(frame);
    if (this.closed) return;
    this.came(frame, error);
    this.loadMore();
  }

  /** Those that were used longest ago go first, but none that is wanted now. */
  forget() {
    for (const [frame, one] of this.there) {
      if (this.there.size <= this.most) return;
      if (this.wanted.includes(frame)) continue;
      this.there.delete(frame);
      this.drop(one);
    }
  }

  close() {
    this.closed = true;
    for (const one of this.there.values()) this.drop(one);
    this.there.clear();
  }
}
