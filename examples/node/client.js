// A client without Warren: puts a task into a pool's queue and waits for its reply, written from docs/protocol.md.
//
//     node client.js amqp://mason:secret@127.0.0.1:5672/ cpu greet '{"name": "Ada"}' [--delay 2.5] [--expires 60]
//
// Prints the reply's state, then the result or the error; ends with 0 if the task succeeded, 1 if not, 2 for bad usage.

import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";

import amqp from "amqplib";

const PROTOCOL = 1;
const PATIENCE_MS = 120_000;
const CONFIRM_MS = 5_000;
const DELAY_DIGITS = 23;

/** Where a task goes: to the pool's exchange, or onto the ladder of delay queues. */
export function route(pool, delay) {
  if (!delay) return ["warren.tasks", pool];
  const digits = Math.max(1, Math.ceil(delay * 2)).toString(2);
  return [`warren.delay.${digits.length - 1}`, [...digits.padStart(DELAY_DIGITS, "0"), pool].join(".")];
}

/** Puts the task into the queue; resolves when the broker has taken it for good. */
function submit(channel, pool, task, { id, body, replyTo, delay, expires }) {
  const [exchange, key] = route(pool, delay);
  const now = Math.floor(Date.now() / 1000);
  const options = {
    messageId: id,
    correlationId: id,
    type: task,
    contentType: "application/json",
    replyTo,
    timestamp: now,
    headers: { "warren-protocol": PROTOCOL, ...(expires ? { "warren-deadline": now + expires } : {}) },
    persistent: true,
    mandatory: true,
  };
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("the broker does not confirm")), CONFIRM_MS);
    channel.once("return", () => reject(new Error(`the pool ${pool} has no queue`)));
    channel.publish(exchange, key, body, options, (error) => {
      clearTimeout(late);
      if (error) reject(new Error("the broker refuses the task"));
      else resolve();
    });
  });
}

/** Submits the task and waits for its reply. */
async function call(channel, pool, task, args, options) {
  const { queue } = await channel.assertQueue(`warren.reply.${randomUUID()}`, {
    exclusive: true,
    autoDelete: true,
    durable: false,
    arguments: { "x-queue-type": "classic" },
  });
  const id = randomUUID();
  let answer;
  const replied = new Promise((resolve) => (answer = resolve));
  const take = (message) => message?.properties.correlationId === id && answer(message);
  await channel.consume(queue, take, { noAck: true }); // before the submit: the reply may be as fast as its confirm
  await submit(channel, pool, task, { id, body: Buffer.from(args), replyTo: queue, ...options });
  console.error(`submitted ${id}`);
  return replied;
}

async function main(url, pool, task, args, options) {
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  const lost = new Promise((_, reject) => {
    connection.on("error", reject);
    connection.on("close", () => reject(new Error("the connection is closed")));
    channel.on("error", reject);
    setTimeout(() => reject(new Error("no reply in time; the task goes on")), PATIENCE_MS).unref();
  });
  lost.catch(() => {}); // the connection is closed in the end
  const reply = await Promise.race([call(channel, pool, task, args, options), lost]);
  const { "warren-state": state, "warren-result-ref": reference } = reply.properties.headers;
  console.log(state);
  console.log(reference ?? reply.content.toString());
  await connection.close();
  return state === "succeeded" ? 0 : 1;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { delay: { type: "string" }, expires: { type: "string" } },
});
const [url, pool, task, args = "{}"] = positionals;
if (!task) {
  console.error("usage: node client.js URL POOL TASK [ARGUMENTS] [--delay SECONDS] [--expires SECONDS]");
  process.exit(2);
}
try {
  process.exitCode = await main(url, pool, task, args, {
    delay: Number(values.delay ?? 0),
    expires: Number(values.expires ?? 0),
  });
} catch (error) {
  console.error(`client: ${error.message}`);
  process.exit(1);
}
