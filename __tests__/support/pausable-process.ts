/** The process that `pausable.ts` starts: a connection that does what the parent's messages say. */
import { resolveConfig } from "../../src/config.ts";
import { openConnection } from "../../src/connection/open.ts";
import type { Order, Outcome } from "./pausable.ts";

const nowhere = { info: () => {}, warn: () => {}, error: () => {} };
const config = resolveConfig(
  { ...(JSON.parse(process.argv[2]!) as object), logger: nowhere },
  { NODE_ENV: "production" },
);
const connection = openConnection(config, {
  connection: () => {},
  error: () => {},
  fallback: () => {},
});

const clock = Date.now;

/** Answers whether the key was written: a command that had run before would find it there. */
async function write({ key, asleep = 0 }: Order): Promise<Outcome> {
  // What a machine sees when it wakes up: the time of day went on, and nothing else did.
  Date.now = () => clock() + asleep;
  try {
    const isWritten = await connection.set(key, "value", { ttl: 60_000, condition: "NX" });
    return { key, isWritten };
  } catch (error) {
    return { key, failure: (error as Error).message };
  }
}

process.on("message", (order: Order) => {
  void write(order).then((outcome) => process.send!(outcome));
});

process.on("disconnect", () => process.exit()); // The tests' process is gone.
