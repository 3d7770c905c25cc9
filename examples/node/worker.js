// A worker that is not Warren's: serves a pool, written from docs/protocol.md.
//
//     node worker.js amqp://carver:secret@127.0.0.1:5672/ stone [./tasks.js]
//
// When the connection is lost it ends: whoever runs it starts it again, and the broker delivers what was not acknowledged.

import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";

import amqp from "amqplib";

const PROTOCOL = 1;
const RESULTS = "warren.results";
const AT_ONCE = 4;
const PAUSE_MS = 500;
const PROGRESS_MS = 1000;

/** Thrown by a task that cannot succeed: it ends as failed, with this code for programs and message for people. */
export class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Takes tasks off the pool's queue until the connection ends or it is told to stop (SIGTERM): then it takes no more, and
 * sees those at hand through. `tasks` holds an async function for each name.
 */
export async function serve(url, pool, tasks) {
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  const lost = new Promise((_, reject) => {
    connection.on("error", reject);
    connection.on("close", () => reject(new Error("the connection is closed")));
    channel.on("error", reject);
    channel.on("return", (message) => reject(new Error(`no queue takes ${message.fields.routingKey}`)));
  });
  lost.catch(() => {}); // it may come before it is waited for
  await channel.prefetch(AT_ONCE);
  const take = async (message) => {
    if (message === null) {
      connection.close(); // the broker has ended the subscription: the queue is gone
      return;
    }
    await new Assignment(channel, pool, message).seeThrough(tasks);
    channel.ack(message); // only now: the broker has confirmed what was published
  };
  const atHand = new Set();
  const { consumerTag } = await channel.consume(`warren.tasks.${pool}`, (message) => {
    const taken = take(message).catch(() => connection.close());
    atHand.add(taken);
    taken.finally(() => atHand.delete(taken));
  });
  await Promise.race([lost, told("SIGTERM")]);
  await Promise.race([lost, channel.cancel(consumerTag)]); // whatever was delivered before is among those at hand
  while (atHand.size) await Promise.race([lost, Promise.all(atHand)]);
  await connection.close();
}

/** Resolves when the process is sent the signal; as the first process of a container it would do nothing by itself. */
function told(signal) {
  return new Promise((resolve) => process.once(signal, resolve));
}

/** A task at hand. */
class Assignment {
  #channel;
  #pool;
  #properties;
  #told = 0;

  constructor(channel, pool, message) {
    this.#channel = channel;
    this.#pool = pool;
    this.#properties = message.properties;
    this.body = message.content;
    this.id = message.properties.messageId;
    this.name = message.properties.type;
    this.headers = message.properties.headers ?? {};
  }

  /** Works on the task, and returns when the broker has taken what became of it. */
  async seeThrough(tasks) {
    const refusal = this.#refusal(tasks);
    if (refusal) return this.#fail(refusal);
    if (this.#late()) return this.#report("expired");
    const most = this.headers["warren-max-attempts"] ?? 1;
    for (let attempt = 1; ; attempt += 1) {
      await this.#report("started");
      try {
        const result = await tasks[this.name](this.#payload(), (fraction, text) => this.#progress(fraction, text));
        return await this.#report("succeeded", result);
      } catch (error) {
        if (error instanceof Failure || attempt >= most) return this.#fail(error);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * 2 ** (attempt - 1)));
    }
  }

  #refusal(tasks) {
    const version = this.headers["warren-protocol"] ?? PROTOCOL;
    if (version !== PROTOCOL) {
      return new Failure("unknown-protocol", `the header warren-protocol is ${version}; this worker reads ${PROTOCOL}`);
    }
    if (!Object.hasOwn(tasks, this.name)) {
      return new Failure("unknown-task", `this worker knows ${Object.keys(tasks).join(", ")}, not ${this.name}`);
    }
    if ("warren-payload-ref" in this.headers) {
      return new Failure("payload-too-large", "this worker takes no payloads from object storage");
    }
    return null;
  }

  #late() {
    const sent = this.#properties.timestamp;
    const expires = this.headers["warren-expires-seconds"];
    const counted = sent !== undefined && expires !== undefined ? sent + expires : Infinity;
    return Date.now() / 1000 > (this.headers["warren-deadline"] ?? counted);
  }

  #payload() {
    if ((this.#properties.contentType ?? "application/json") !== "application/json") return this.body;
    try {
      return JSON.parse(this.body.toString());
    } catch (error) {
      throw new Failure("invalid-payload", `the body is not JSON: ${error.message}`);
    }
  }

  #progress(fraction, message) {
    if (Date.now() - this.#told < PROGRESS_MS) return;
    this.#told = Date.now();
    this.#report("started", { fraction, message }).catch(() => {}); // a lost connection is noticed elsewhere
  }

  #fail(error) {
    const { code, message, stack } = error;
    const known = error instanceof Failure;
    return this.#report("failed", known ? { code, message } : { code: "exception", message, traceback: stack });
  }

  /** Publishes what became of the task; resolves when the broker has confirmed it. */
  #report(state, value) {
    const raw = Buffer.isBuffer(value);
    const body = raw ? value : Buffer.from(value === undefined ? "" : JSON.stringify(value));
    const options = {
      messageId: this.id,
      type: this.name,
      replyTo: this.#properties.replyTo,
      contentType: raw ? "application/octet-stream" : "application/json",
      headers: {
        "warren-protocol": PROTOCOL,
        "warren-pool": this.#pool,
        "warren-state": state,
        "warren-report": randomUUID(), // the broker may hand it over twice
      },
      persistent: true,
      mandatory: true,
    };
    return new Promise((resolve, reject) => {
      this.#channel.publish(RESULTS, RESULTS, body, options, (error) => (error ? reject(error) : resolve()));
    });
  }
}

async function main(url, pool, file = "./tasks.js") {
  const tasks = await import(file.startsWith("./") ? file : pathToFileURL(file).href);
  await serve(url, pool, tasks.default);
}

const [, program, ...parameters] = process.argv;
if (import.meta.url === pathToFileURL(program).href) {
  if (parameters.length < 2) {
    console.error("usage: node worker.js URL POOL [TASKS.js]");
    process.exit(2);
  }
  main(...parameters).catch((error) => {
    console.error(`worker: ${error.message}`);
    process.exit(1);
  });
}
