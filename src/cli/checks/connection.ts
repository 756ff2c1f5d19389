/** Whether Redis can be reached and lets this user in. */
import type { Channel } from "../../connection/channel.ts";
import type { KitError } from "../../errors.ts";
import { wordsAndCode } from "../ask.ts";
import { failure, type Finding, ok, type Subject } from "../finding.ts";
import { ms } from "../figures.ts";

const CONNECTION: Subject = { id: "connection", title: "connection" };

const WHY =
  "Until it is mended, limits are counted in each process for itself, requests with a session are answered 503, and nothing is cached.";

/** Says what a failure to connect means. */
export function notConnected(error: KitError): Finding {
  const data = { code: error.code };
  return failure(CONNECTION, { detail: wordsAndCode(error), why: WHY, fix: error.fix, data });
}

/**
 * Waits for the connection.
 *
 * @throws KitError with the diagnosis
 */
export async function checkConnection(channel: Channel): Promise<Finding> {
  const started = performance.now();
  await channel.ready();
  const took = Math.round(performance.now() - started);
  const { kind, target } = channel.state();
  const how = kind === "rest" ? "answers over REST" : "connected and signed in";
  return ok(CONNECTION, `${how} after ${ms(took)}`, { target, kind, took });
}
