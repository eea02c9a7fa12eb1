// Plays a film: one frame after the other, each when it is there.

/** @typedef {import("../player.js").Player} Player */

export class Clock {
  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    this.speed = 10;  // frames a second
    this.timer = 0;  // of the next frame; 0: pause
  }

  get runs() {
    return this.timer !== 0;
  }

  /** Plays or pauses. From the last frame of a film it begins again. */
  toggle() {
    const { player } = this;
    if (this.runs) return this.pause();
    if (player.there < 2) return;
    this.wait();
    if (player.frame === player.last) player.goTo(0);
    player.showTime();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.player.showTime();
  }

  wait() {
    this.timer = setTimeout(() => this.tick(), 1000 / this.speed);
  }

  /** To the next frame, if it is there and this one was seen. */
  tick() {
    const { player } = this;
    if (!player.root.isConnected) return this.pause();
    this.wait();
    const next = player.frame === player.last ? 0 : player.frame + 1;
    const seen = player.drawn === player.frame;
    if (seen && next < player.there && player.frames?.isReady(next)) player.goTo(next);
    else player.change();
  }
}
