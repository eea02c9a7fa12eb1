// A browser that keeps nothing shows the hint each time, and still closes it.

const note = element.querySelector(".hint");
const key = "unet_hf_hint_closed";
let closed = false;
try { closed = localStorage.getItem(key) === "yes"; } catch { /* no storage: show it */ }
note.hidden = closed;
note.querySelector("button").addEventListener("click", () => {
  note.hidden = true;
  try { localStorage.setItem(key, "yes"); } catch { /* it comes back next time */ }
});
