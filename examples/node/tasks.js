// What the worker can do: a function for each task's name. It is given the payload, and a function that tells progress.

import { createHash } from "node:crypto";

import { Failure } from "./worker.js";

const CHUNK = 64 * 1024;

export default {
  /** `{"text": "..."}` -> `{"words": 2, "longest": "word"}` */
  async count_words({ text }) {
    if (typeof text !== "string") throw new Failure("no-text", "the argument text is missing, or no text");
    const words = text.split(/\s+/u).filter(Boolean);
    return { words: words.length, longest: words.reduce((a, b) => (b.length > a.length ? b : a), "") };
  },

  /** Raw bytes -> their SHA-256 in hexadecimal. */
  async checksum(bytes, progress) {
    if (!Buffer.isBuffer(bytes)) throw new Failure("no-bytes", "send raw bytes: content_type application/octet-stream");
    const hash = createHash("sha256");
    for (let at = 0; at < bytes.length; at += CHUNK) {
      hash.update(bytes.subarray(at, at + CHUNK));
      progress(at / bytes.length);
    }
    return hash.digest("hex");
  },
};
