import assert from "node:assert/strict";
import { test } from "node:test";

import { shortest, tidy, withUnit } from "../../demo/viewer/web/around/panel.js";

test("a number is told in as few digits as tell it from its float32 neighbours", () => {
  assert.equal(shortest(Math.fround(0.1)), "0.1");
  assert.equal(shortest(Math.fround(1 / 3)), "0.33333334");
  assert.equal(shortest(0.1), "0.1");  // no float32: all of it
  assert.equal(shortest(-9007199254740993n), "-9007199254740993");
  assert.equal(shortest(65535), "65535");
});

test("lengths are told in the unit that needs the fewest digits", () => {
  assert.equal(withUnit(2000, "nm"), "2 µm");
  assert.equal(withUnit(0.5, "µm"), "500 nm");
  assert.equal(withUnit(5, "Å"), "5 Å");
  assert.equal(withUnit(1000, "µm"), "1 mm");
  assert.equal(withUnit(20, "parsec"), "20 parsec");
});

test("whole numbers are whole, others have three digits", () => {
  assert.equal(tidy(121), "121");
  assert.equal(tidy(12.345), "12.3");
});
