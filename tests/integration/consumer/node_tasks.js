// Tasks of the worker under test; each notes its beginning outside of Warren.

import { appendFileSync } from "node:fs";

import { Failure } from "./worker.js";

const seen = new Set();
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

export default {
  async doubles({ number }) {
    return 2 * number;
  },

  async refuses({ why }) {
    throw new Failure("no-face", why);
  },

  async advances({ seconds }, progress) {
    progress(0.5, "half of it");
    await sleep(seconds);
    return "done";
  },

  async stumbles({ stone }) {
    if (!seen.has(stone)) {
      seen.add(stone);
      throw new Error(`over ${stone}`);
    }
    return stone;
  },

  async lasts({ seconds }) {
    appendFileSync(process.env.ROWS, `${process.pid}\n`);
    await sleep(seconds);
    return process.pid;
  },
};
